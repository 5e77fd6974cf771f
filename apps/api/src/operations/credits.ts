import {
  Balance,
  CaptureHold,
  ConsumeCredits,
  Consumption,
  CreateHold,
  Hold,
  TransactionPage,
  TransactionQuery,
} from "@ducat/types/credits";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  answerWithCsv,
  ducatAccount,
  forAccount,
  idempotencyKey,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const params = z.object({ id: Id });
const tags = ["Credits"];
const spending = problems(
  ...forAccount,
  ...withBody,
  "idempotency_key_required",
  "idempotency_conflict",
  "insufficient_credits",
  "account_frozen",
);

export const balance = createRoute({
  method: "get",
  path: "/balance",
  operationId: "getBalance",
  tags,
  summary: "What the account has",
  parameters: [ducatAccount],
  responses: { 200: answer(Balance, "Now."), ...problems(...forAccount) },
});

export const transactions = createRoute({
  method: "get",
  path: "/transactions",
  operationId: "listTransactions",
  tags,
  summary: "The ledger, newest first",
  description: "A page of a rare thing may be short and not the last: follow `next_cursor`.",
  parameters: [ducatAccount],
  request: { query: TransactionQuery },
  responses: {
    200: answerWithCsv(TransactionPage, "A page of it."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const consume = createRoute({
  method: "post",
  path: "/consume",
  operationId: "consumeCredits",
  tags,
  summary: "Spend credits at once",
  parameters: [ducatAccount, idempotencyKey],
  request: jsonBody(ConsumeCredits),
  middleware: [readJson] as const,
  responses: { 201: answer(Consumption, "They are spent."), ...spending },
});

export const hold = createRoute({
  method: "post",
  path: "/holds",
  operationId: "createHold",
  tags,
  summary: "Set credits aside",
  description: "They go back by themselves after `expires_in` seconds.",
  parameters: [ducatAccount, idempotencyKey],
  request: jsonBody(CreateHold),
  middleware: [readJson] as const,
  responses: { 201: answer(Hold, "They are set aside."), ...spending },
});

export const capture = createRoute({
  method: "post",
  path: "/holds/{id}/capture",
  operationId: "captureHold",
  tags,
  summary: "Spend what was set aside",
  description: "All of it or less; the rest goes back. The same again gets the first answer.",
  parameters: [ducatAccount],
  request: { params, ...jsonBody(CaptureHold) },
  middleware: [readJson] as const,
  responses: {
    200: answer(Hold, "The hold has ended."),
    ...problems(...forAccount, ...withBody, "invalid_state"),
  },
});

export const release = createRoute({
  method: "post",
  path: "/holds/{id}/release",
  operationId: "releaseHold",
  tags,
  summary: "Give back what was set aside",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    200: answer(Hold, "The hold has ended."),
    ...problems(...forAccount, "invalid_state"),
  },
});
