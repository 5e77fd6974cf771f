import { AdjustCredits, Adjustment } from "@ducat/types/credits";
import { Refund, RefundGeneration } from "@ducat/types/generations";
import { Id, Reference } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  behindKey,
  forAccount,
  idempotencyKey,
  jsonBody,
  namedDucatAccount,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Admin"];

export const adjust = createRoute({
  method: "post",
  path: "/accounts/{id}/credits",
  operationId: "adminAdjustCredits",
  tags,
  summary: "Correct a balance by hand",
  description: "`id` is the account's id or external id. Leaves an audit line.",
  parameters: [idempotencyKey],
  request: { params: z.object({ id: Reference }), ...jsonBody(AdjustCredits) },
  middleware: [readJson] as const,
  responses: {
    201: answer(Adjustment, "It is booked."),
    ...problems(
      ...behindKey,
      ...withBody,
      "not_found",
      "idempotency_key_required",
      "idempotency_conflict",
      "insufficient_credits",
    ),
  },
});

export const refund = createRoute({
  method: "post",
  path: "/generations/{id}/refund",
  operationId: "adminRefundGeneration",
  tags,
  summary: "Pay completed items back",
  description: "Each item once, to the grants that it was paid from. Leaves an audit line.",
  parameters: [namedDucatAccount, idempotencyKey],
  request: { params: z.object({ id: Id }), ...jsonBody(RefundGeneration) },
  middleware: [readJson] as const,
  responses: {
    201: answer(Refund, "What was paid back by this request."),
    ...problems(
      ...forAccount,
      ...withBody,
      "idempotency_key_required",
      "idempotency_conflict",
      "invalid_state",
    ),
  },
});
