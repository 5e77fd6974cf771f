import { FailedMessage, FailedMessagePage, FailedMessageQuery } from "@ducat/types/failed-messages";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

const tags = ["Admin"];
const params = z.object({ id: Id });

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListMessages",
  tags,
  summary: "Messages that could not be sent, newest first",
  description: "What they say and whom they are for is not shown.",
  request: { query: FailedMessageQuery },
  responses: {
    200: answer(FailedMessagePage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

export const retry = createRoute({
  method: "post",
  path: "/{id}/retry",
  operationId: "adminRetryMessage",
  tags,
  summary: "Try to send a message again",
  description:
    "As if it were new, to the address that the account has now. `invalid_state`: what it said " +
    "is gone. Leaves an audit line.",
  request: { params },
  responses: {
    200: answer(FailedMessage, "It waits for a worker."),
    ...problems(...behindKey, "not_found", "invalid_state"),
  },
});

export const discard = createRoute({
  method: "post",
  path: "/{id}/discard",
  operationId: "adminDiscardMessage",
  tags,
  summary: "Give a message up",
  description: "It leaves this list. Leaves an audit line.",
  request: { params },
  responses: {
    200: answer(FailedMessage, "It is `skipped`."),
    ...problems(...behindKey, "not_found"),
  },
});
