import { Checkout, CreateCheckout } from "@ducat/types/checkout";
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

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "createCheckout",
  tags: ["Billing"],
  summary: "Open a page where something is paid",
  description:
    "One order for each `Idempotency-Key`: after a 502 or a lost answer the same key goes on " +
    "with the same order. Afterwards the customer is sent to `return_url` with `payment_id` and " +
    "`status` in its query.",
  parameters: [ducatAccount, idempotencyKey],
  request: jsonBody(CreateCheckout),
  middleware: [readJson] as const,
  responses: {
    201: answer(Checkout, "The page is open."),
    ...problems(
      ...forAccount,
      ...withBody,
      "idempotency_key_required",
      "idempotency_conflict",
      "in_progress",
      "invalid_state",
      "account_frozen",
      "provider_unavailable",
    ),
  },
});
