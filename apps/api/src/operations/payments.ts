import { Payment, PaymentPage, PaymentQuery } from "@ducat/types/payments";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, answerWithCsv, ducatAccount, forAccount, problems } from "../describe-route.ts";

const tags = ["Billing"];
const params = z.object({ id: Id });

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listPayments",
  tags,
  summary: "Payments, newest first",
  parameters: [ducatAccount],
  request: { query: PaymentQuery },
  responses: {
    200: answerWithCsv(PaymentPage, "A page of them."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "getPayment",
  tags,
  summary: "A payment",
  parameters: [ducatAccount],
  request: { params },
  responses: { 200: answer(Payment, "As it is now."), ...problems(...forAccount) },
});

export const receipt = createRoute({
  method: "get",
  path: "/{id}/receipt",
  operationId: "getReceipt",
  tags,
  summary: "The receipt of a payment, as a page",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    200: {
      description: "In the account's language.",
      content: { "text/html": { schema: z.string() } },
    },
    ...problems(...forAccount, "invalid_state"),
  },
});
