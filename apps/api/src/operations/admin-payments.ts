import {
  AdminPaymentPage,
  AdminPaymentQuery,
  PaymentRefund,
  RefundPayment,
} from "@ducat/types/admin-payments";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  behindKey,
  idempotencyKey,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Admin"];

export const list = createRoute({
  method: "get",
  path: "/",
  tags,
  summary: "Payments of every account, newest first",
  request: { query: AdminPaymentQuery },
  responses: {
    200: answer(AdminPaymentPage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

export const refund = createRoute({
  method: "post",
  path: "/{id}/refund",
  tags,
  summary: "Pay a payment back",
  description: `Asks the payment's provider, in whole or in part, and takes the credits back. What
was refused has the provider's reason in \`detail\` and \`reason: refused\`; ask again with another
key. 202: the provider's answer got lost, and workers find out; it is paid back once at most. A
repeat with the key says how the refund stands by then. Leaves an audit line.`,
  parameters: [idempotencyKey],
  request: { params: z.object({ id: Id }), ...jsonBody(RefundPayment) },
  middleware: [readJson] as const,
  responses: {
    201: answer(PaymentRefund, "It is paid back."),
    202: answer(PaymentRefund, "It is not known yet whether it is paid back."),
    ...problems(
      ...behindKey,
      ...withBody,
      "not_found",
      "idempotency_key_required",
      "idempotency_conflict",
      "invalid_state",
    ),
  },
});
