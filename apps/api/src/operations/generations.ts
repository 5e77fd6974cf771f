import {
  CreateGeneration,
  Estimate,
  Generation,
  GenerationPage,
  GenerationQuery,
} from "@ducat/types/generations";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  idempotencyKey,
  jsonBody,
  preferWait,
  problems,
  withBody,
} from "../describe-route.ts";

const params = z.object({ id: Id });
const tags = ["Generations"];

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "createGeneration",
  tags,
  summary: "Ask for a generation and pay it",
  description:
    "One item per area, or `n` of them. The most that it can cost is set aside in the same " +
    "transaction; what fails, is canceled or costs less is paid back to the grant it came from.",
  parameters: [ducatAccount, idempotencyKey, preferWait],
  request: jsonBody(CreateGeneration),
  middleware: [readJson] as const,
  responses: {
    200: answer(Generation, "With `Prefer: wait`: how it ended."),
    201: answer(Generation, "Accepted; the state of that moment."),
    ...problems(
      ...forAccount,
      ...withBody,
      "idempotency_key_required",
      "idempotency_conflict",
      "insufficient_credits",
      "account_frozen",
    ),
  },
});

export const estimate = createRoute({
  method: "post",
  path: "/estimate",
  operationId: "estimateGeneration",
  tags,
  summary: "What a generation would cost",
  parameters: [ducatAccount],
  request: jsonBody(CreateGeneration),
  middleware: [readJson] as const,
  responses: {
    200: answer(Estimate, "Nothing is taken."),
    ...problems(...forAccount, ...withBody),
  },
});

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listGenerations",
  tags,
  summary: "Generations, newest first",
  parameters: [ducatAccount],
  request: { query: GenerationQuery },
  responses: {
    200: answer(GenerationPage, "A page of them."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "getGeneration",
  tags,
  summary: "A generation as it is now",
  parameters: [ducatAccount],
  request: { params },
  responses: { 200: answer(Generation, "With its items."), ...problems(...forAccount) },
});

export const remove = createRoute({
  method: "delete",
  path: "/{id}",
  operationId: "deleteGeneration",
  tags,
  summary: "Forget a generation that has ended",
  description: "Its inputs, texts and files go; the ledger and the key stay.",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    204: { description: "It is gone." },
    ...problems(...forAccount, "invalid_state"),
  },
});

export const cancel = createRoute({
  method: "post",
  path: "/{id}/cancel",
  operationId: "cancelGeneration",
  tags,
  summary: "End a generation early",
  description:
    "What has not started ends now and is paid back. What a provider works on is decided by how " +
    "that ends.",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    200: answer(Generation, "As it is now."),
    ...problems(...forAccount, "invalid_state"),
  },
});

export const retry = createRoute({
  method: "post",
  path: "/{id}/retry",
  operationId: "retryGeneration",
  tags,
  summary: "Ask again for what failed",
  description:
    "A new generation of the failed and canceled items of one that has ended, paid anew at the " +
    "style's price of now; `retry_of` names the first.",
  parameters: [ducatAccount, idempotencyKey, preferWait],
  request: { params },
  responses: {
    200: answer(Generation, "With `Prefer: wait`: how it ended."),
    201: answer(Generation, "Accepted; the state of that moment."),
    ...problems(
      ...forAccount,
      "idempotency_key_required",
      "idempotency_conflict",
      "insufficient_credits",
      "account_frozen",
      "invalid_state",
      "validation_failed",
    ),
  },
});
