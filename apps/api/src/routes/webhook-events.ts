import { listWebhookEvents } from "@ducat/db/webhook-event-list";
import {
  discardWebhookEvent,
  discardWebhookEvents,
  type WebhookEvent as Row,
  replayWebhookEvent,
  replayWebhookEvents,
} from "@ducat/db/webhook-events";
import type { WebhookEvent } from "@ducat/types/webhook-events";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { webhookColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/webhook-events.ts";
import { toTime, toTimeOrNull } from "../show-generation.ts";

/** For people who run this: what providers sent, and a second chance for it. */
export const webhookEventRoutes = (deps: Deps) => {
  const { db, enqueue } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const query = c.req.valid("query");
    return await answerList(c, deps, {
      list: listWebhookEvents(db, query),
      show: (rows) => rows.map(show),
      ...{ kind: "webhook_event", name: "webhook-events", columns: webhookColumns, query },
    });
  });

  app.openapi(operations.replayAll, async (c) => {
    const { limit, dry_run: dryRun, ...selection } = c.req.valid("json");
    const how = { limit, dryRun, audit: auditOf(c) };
    const ids = await replayWebhookEvents(db, selection, how);
    if (!dryRun) enqueue.addWebhook(...ids);
    return c.json({ dry_run: dryRun, count: ids.length, ids }, 200);
  });

  app.openapi(operations.discardAll, async (c) => {
    const { limit, dry_run: dryRun, ...selection } = c.req.valid("json");
    const how = { limit, dryRun, audit: auditOf(c) };
    const ids = await discardWebhookEvents(db, selection, how);
    return c.json({ dry_run: dryRun, count: ids.length, ids }, 200);
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
