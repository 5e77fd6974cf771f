import { ChangePlan } from "@ducat/types/checkout";
import { CancelSubscription, Subscription } from "@ducat/types/subscriptions";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  idempotencyKey,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Billing"];
const asking = ["invalid_state", "provider_unavailable"] as const;

export const get = createRoute({
  method: "get",
  path: "/",
  operationId: "getSubscription",
  tags,
  summary: "The account's subscription",
  description: "The one that runs, else the last one.",
  parameters: [ducatAccount],
  responses: { 200: answer(Subscription, "As it is now."), ...problems(...forAccount) },
});

export const cancel = createRoute({
  method: "post",
  path: "/cancel",
  operationId: "cancelSubscription",
  tags,
  summary: "End the subscription",
  description: "With its period, unless `when` says `now` and its provider can.",
  parameters: [ducatAccount],
  request: jsonBody(CancelSubscription),
  middleware: [readJson] as const,
  responses: {
    200: answer(Subscription, "As it is then."),
    ...problems(...forAccount, ...withBody, ...asking),
  },
});

export const resume = createRoute({
  method: "post",
  path: "/resume",
  operationId: "resumeSubscription",
  tags,
  summary: "Take a cancellation back",
  parameters: [ducatAccount],
  responses: {
    200: answer(Subscription, "As it is then."),
    ...problems(...forAccount, "validation_failed", ...asking),
  },
});

export const change = createRoute({
  method: "post",
  path: "/change",
  operationId: "changePlan",
  tags,
  summary: "Move to another plan",
  description:
    "To a larger one at once, with one invoice for the rest of the period; to a smaller one from " +
    "the next period on. A subscription that is renewed by pay links changes with its next period.",
  parameters: [ducatAccount, idempotencyKey],
  request: jsonBody(ChangePlan),
  middleware: [readJson] as const,
  responses: {
    200: answer(Subscription, "As it is then."),
    ...problems(
      ...forAccount,
      ...withBody,
      ...asking,
      "idempotency_key_required",
      "idempotency_conflict",
      "in_progress",
    ),
  },
});
