import {
  AdminPaymentPage,
  AdminPaymentQuery,
  PaymentRefund,
  RefundPayment,
  ResolveRefund,
} from "@ducat/types/admin-payments";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  answerWithCsv,
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
  operationId: "adminListPayments",
  tags,
  summary: "Payments of every account, newest first",
  request: { query: AdminPaymentQuery },
  responses: {
    200: answerWithCsv(AdminPaymentPage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

export const refund = createRoute({
  method: "post",
  path: "/{id}/refund",
  operationId: "adminRefundPayment",
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

export const resolveRefund = createRoute({
  method: "post",
  path: "/{id}/refunds/{refund_id}/resolve",
  operationId: "adminResolveRefund",
  tags,
  summary: "Say how a refund ended that nobody can ask about",
  description: `For a refund that stays \`pending\` because its provider's answer got lost and the
provider can't be asked (anomaly \`refund_unknown\`): look for it there, then say what you saw.
\`succeeded\` also takes the credits back; \`failed\` frees the payment for another refund. A repeat
changes nothing. \`invalid_state\`: it has ended in the other way (\`reason: decided\`), or the
provider is being asked (\`reason: under_way\`). Leaves an audit line.`,
  request: { params: z.object({ id: Id, refund_id: Id }), ...jsonBody(ResolveRefund) },
  middleware: [readJson] as const,
  responses: {
    200: answer(PaymentRefund, "It has ended."),
    ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
  },
});
