import {
  discardWebhookEvent,
  listWebhookEvents,
  type WebhookEvent as Row,
  replayWebhookEvent,
} from "@ducat/db/webhook-events";
import type { WebhookEvent } from "@ducat/types/webhook-events";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/webhook-events.ts";
import { toTime } from "../show-generation.ts";

/** For people who run this: what providers sent, and a second chance for it. */
export const webhookEventRoutes = ({ db, enqueue }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid("query");
    const before = readCursor("webhook_event", cursor);
    const found = await listWebhookEvents(db, { ...filter, before, limit: limit + 1 });
    const toCursor = ({ id }: Row) => makeCursor("webhook_event", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(show), next_cursor }, 200);
  });

  app.openapi(operations.replay, async (c) => {
    const event = await replayWebhookEvent(db, c.req.valid("param").id, auditOf(c));
    enqueue.addWebhook(event.id);
    return c.json(show(event), 200);
  });

  app.openapi(operations.discard, async (c) => {
    const event = await discardWebhookEvent(db, c.req.valid("param").id, auditOf(c));
    return c.json(show(event), 200);
  });

  return app;
};

const toTimeOrNull = (text: string | null) => (text === null ? null : toTime(text));

function show(row: Row): WebhookEvent {
  const { id, provider, mode, delivery_id, event_type, status, retry_count, last_error } = row;
  return {
    id,
    provider,
    mode,
    delivery_id,
    event_type,
    occurred_at: toTime(row.occurred_at),
    status,
    retry_count,
    last_error,
    next_try_at: toTimeOrNull(row.due_at),
    processed_at: toTimeOrNull(row.processed_at),
    retried_at: toTimeOrNull(row.retried_at),
    resolved_at: toTimeOrNull(row.resolved_at),
    resolved_by: row.resolved_by,
    has_body: row.has_body,
    created_at: toTime(row.created_at),
  };
}
