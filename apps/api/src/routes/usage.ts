import { listUsage, type UsageRow } from "@ducat/db/usage";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay } from "../idempotency.ts";
import { noteUsage } from "../note-alerts.ts";
import * as operations from "../operations/usage.ts";
import { requireServerToWrite } from "../require-server.ts";
import { showReset } from "../show-entitlements.ts";
import { toTime } from "../show-generation.ts";

export const usageRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, entitlements } = deps;
  const app = new OpenAPIHono<AppEnv>();
  // Who may say what they have used may say that they have used nothing.
  app.use(requireScope("usage"), requireServerToWrite, requireAccount(findAccount));

  app.openapi(operations.track, async (c) => {
    const { event_id: eventId, ...event } = c.req.valid("json");
    const tracked = await entitlements.track(c.var.accountId, { ...event, eventId });
    const { replayed, ...done } = tracked;
    markReplay(c, replayed);
    if (!replayed) noteUsage(deps, c.var.accountId, { ...done, amount: event.amount });
    return c.json(showReset(done), 201);
  });

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid("query");
    const beforeId = readCursor("usage", cursor);
    const asked = { ...filter, beforeId, limit: limit + 1 };
    const found = await listUsage(db, c.var.accountId, asked);
    const toCursor = ({ id }: UsageRow) => makeCursor("usage", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    const data = entries.map(({ id: _, released_at, created_at, ...row }) => ({
      ...row,
      released_at: released_at && toTime(released_at),
      created_at: toTime(created_at),
    }));
    return c.json({ data, next_cursor }, 200);
  });

  app.openapi(operations.release, async (c) => {
    const { event_id } = c.req.valid("param");
    const { replayed, ...done } = await entitlements.release(c.var.accountId, event_id);
    markReplay(c, replayed);
    return c.json(showReset(done), 200);
  });

  return app;
};
