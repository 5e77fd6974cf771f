import { Id } from "@ducat/types/text";
import { WebhookEvent, WebhookEventPage, WebhookEventQuery } from "@ducat/types/webhook-events";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

const tags = ["Admin"];
const params = z.object({ id: Id });

export const list = createRoute({
  method: "get",
  path: "/",
  tags,
  summary: "Webhooks of payment providers, newest first",
  description: "Their bodies are not shown: they hold personal data.",
  request: { query: WebhookEventQuery },
  responses: {
    200: answer(WebhookEventPage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const replay = createRoute({
  method: "post",
  path: "/{id}/replay",
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
  tags,
  summary: "Give a webhook up",
  description: "One that waits or is dead. Leaves an audit line.",
  request: { params },
  responses: {
    200: answer(WebhookEvent, "It is not tried any more."),
    ...problems(...behindKey, "not_found", "invalid_state"),
  },
});
