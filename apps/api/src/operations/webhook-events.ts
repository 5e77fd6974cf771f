import { Id } from "@ducat/types/text";
import {
  DiscardEvents,
  ReplayEvents,
  SelectedEvents,
  WebhookEvent,
  WebhookEventPage,
  WebhookEventQuery,
} from "@ducat/types/webhook-events";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  answerWithCsv,
  behindKey,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Admin"];
const params = z.object({ id: Id });

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListWebhookEvents",
  tags,
  summary: "Webhooks of payment providers, newest first",
  description: "Their bodies are not shown: they hold personal data.",
  request: { query: WebhookEventQuery },
  responses: {
    200: answerWithCsv(WebhookEventPage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const replayAll = createRoute({
  method: "post",
  path: "/replay",
  operationId: "adminReplayWebhookEvents",
  tags,
  summary: "Process what a filter finds again",
  description:
    "As each by itself, the oldest first; events without a body are passed over. Ask again until " +
    "`count` is below the limit. `dry_run` only tells. Leaves one audit line, which names them.",
  request: jsonBody(ReplayEvents),
  middleware: [readJson] as const,
  responses: {
    200: answer(SelectedEvents, "Those that wait for a worker now."),
    ...problems(...behindKey, ...withBody),
  },
});

export const discardAll = createRoute({
  method: "post",
  path: "/discard",
  operationId: "adminDiscardWebhookEvents",
  tags,
  summary: "Give up what a filter finds",
  description: "As each by itself. `dry_run` only tells. Leaves one audit line, which names them.",
  request: jsonBody(DiscardEvents),
  middleware: [readJson] as const,
  responses: {
    200: answer(SelectedEvents, "Those that are not tried any more."),
    ...problems(...behindKey, ...withBody),
  },
});

export const replay = createRoute({
  method: "post",
  path: "/{id}/replay",
  operationId: "adminReplayWebhookEvent",
  tags,
  summary: "Process a webhook again",
  description:
    "Whatever its status; what it did already is not done twice. `invalid_state` when its body " +
    "is no longer kept. Leaves an audit line.",
  request: { params },
  responses: {
    200: answer(WebhookEvent, "It waits for a worker."),
    ...problems(...behindKey, "not_found", "invalid_state"),
  },
});

export const discard = createRoute({
  method: "post",
  path: "/{id}/discard",
  operationId: "adminDiscardWebhookEvent",
  tags,
  summary: "Give a webhook up",
  description: "One that waits or is dead. Leaves an audit line.",
  request: { params },
  responses: {
    200: answer(WebhookEvent, "It is not tried any more."),
    ...problems(...behindKey, "not_found", "invalid_state"),
  },
});
