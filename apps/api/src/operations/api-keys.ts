import {
  ApiKey,
  ApiKeyId,
  ApiKeys,
  CreateApiKey,
  NewApiKey,
  RotateApiKey,
} from "@ducat/types/api-keys";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  behindKey,
  ducatAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Keys"];
const about =
  "Without `Ducat-Account` these are the product's own keys, with it those of the account. " +
  "A caller that is one account has only its own.";

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "createApiKey",
  tags,
  summary: "Make an API key",
  description: `${about} The key is in this answer and never again.`,
  parameters: [ducatAccount],
  request: jsonBody(CreateApiKey),
  middleware: [readJson] as const,
  responses: {
    201: answer(NewApiKey, "The key."),
    ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
  },
});

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listApiKeys",
  tags,
  summary: "List API keys",
  description: about,
  parameters: [ducatAccount],
  responses: {
    200: answer(ApiKeys, "The keys, newest first."),
    ...problems(...behindKey, "not_found"),
  },
});

const params = z.object({ id: ApiKeyId });

export const revoke = createRoute({
  method: "delete",
  path: "/{id}",
  operationId: "revokeApiKey",
  tags,
  summary: "Revoke an API key",
  description: "It is dead in every process within a second. Again is no fault.",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    200: answer(ApiKey, "It is revoked."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

export const rotate = createRoute({
  method: "post",
  path: "/{id}/rotate",
  operationId: "rotateApiKey",
  tags,
  summary: "Put a new key in the place of one",
  description:
    "The new one has the same name, scopes, limit and end; the old one works on for a while.",
  parameters: [ducatAccount],
  request: { params, ...jsonBody(RotateApiKey) },
  middleware: [readJson] as const,
  responses: {
    201: answer(NewApiKey, "The new key."),
    ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
  },
});
