import {
  EventId,
  ReleasedUsage,
  TrackedUsage,
  TrackUsage,
  UsagePage,
  UsageQuery,
} from "@ducat/types/entitlements";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Entitlements"];

export const track = createRoute({
  method: "post",
  path: "/",
  operationId: "trackUsage",
  tags,
  summary: "Take of a feature",
  description:
    "Exactly up to its limit, however many ask at once, and once per `event_id`: the same again " +
    "gets the first answer. For the product's own server only.",
  parameters: [ducatAccount],
  request: jsonBody(TrackUsage),
  middleware: [readJson] as const,
  responses: {
    201: answer(TrackedUsage, "It is taken."),
    ...problems(
      ...forAccount,
      ...withBody,
      "idempotency_conflict",
      "quota_exceeded",
      "account_frozen",
    ),
  },
});

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listUsage",
  tags,
  summary: "What was taken",
  description: "Newest first; what generations take is with them.",
  parameters: [ducatAccount],
  request: { query: UsageQuery },
  responses: {
    200: answer(UsagePage, "A page of it."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const release = createRoute({
  method: "delete",
  path: "/{event_id}",
  operationId: "releaseUsage",
  tags,
  summary: "Give back what an event took",
  description: "Once; the same again gets the first answer. For the product's own server only.",
  parameters: [ducatAccount],
  request: { params: z.object({ event_id: EventId }) },
  responses: { 200: answer(ReleasedUsage, "It is given back."), ...problems(...forAccount) },
});
