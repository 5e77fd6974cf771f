import {
  listFailedMessages,
  type FailedMessage as Row,
  settleFailedMessage,
} from "@ducat/db/failed-messages";
import type { FailedMessage } from "@ducat/types/failed-messages";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/failed-messages.ts";
import { toTime } from "../show-generation.ts";

/** Mails and text messages that could not be sent, and a second chance for them. */
export const failedMessageRoutes = ({ db }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, account, ...filter } = c.req.valid("query");
    const before = readCursor("message", cursor);
    const accountId = account === undefined ? undefined : await findAccount(account);
    const search = { ...filter, accountId, before, limit: limit + 1 };
    const found = await listFailedMessages(db, search);
    const toCursor = ({ id }: Row) => makeCursor("message", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(show), next_cursor }, 200);
  });

  for (const [operation, isRetry] of [
    [operations.retry, true],
    [operations.discard, false],
  ] as const) {
    app.openapi(operation, async (c) => {
      const { id } = c.req.valid("param");
      const message = await settleFailedMessage(db, id, { isRetry, audit: auditOf(c) });
      return c.json(show(message), 200);
    });
  }

  return app;
};

const show = (row: Row): FailedMessage => ({ ...row, created_at: toTime(row.created_at) });
