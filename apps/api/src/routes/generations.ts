import {
  cancelGeneration,
  countGenerations,
  deleteGeneration,
  findGeneration,
  type Generation,
  listGenerations,
} from "@ducat/db/generations";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/generations.ts";
import { removeFiles } from "../remove-files.ts";
import { showGeneration } from "../show-generation.ts";
import type { StreamDeps } from "../streams/open-stream.ts";
import { wakeWaiting } from "../wake-waiting.ts";
import { batchRoutes } from "./batches.ts";
import { generationEventRoutes } from "./generation-events.ts";
import { generationOrderRoutes } from "./generation-orders.ts";
import { resultRoutes } from "./results.ts";

export const generationRoutes = (deps: Deps & StreamDeps, findAccount: FindAccount) => {
  const { db, entitlements, urlSigner } = deps;

  /** The answer that shows a generation as it is now. Errors: not_found. */
  const show = async (accountId: string, id: string) => {
    const row = await findGeneration(db, accountId, id);
    if (!row) throw new DomainError("not_found");
    return showGeneration(row, urlSigner);
  };

  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("generations"), requireAccount(findAccount));
  app.route("/", generationOrderRoutes(deps));
  app.route("/", batchRoutes(deps));
  app.route("/", resultRoutes(deps));
  app.route("/", generationEventRoutes(deps));

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, count, ...filter } = c.req.valid("query");
    const { accountId } = c.var;
    const beforeId = readCursor("generation", cursor);
    const [found, total] = await Promise.all([
      listGenerations(db, accountId, { ...filter, beforeId, limit: limit + 1 }),
      count === "true" ? countGenerations(db, accountId, filter) : undefined,
    ]);
    const toCursor = ({ id }: Generation) => makeCursor("generation", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    const data = entries.map((row) => showGeneration(row, urlSigner));
    return c.json({ data, next_cursor, ...(total !== undefined && { total }) }, 200);
  });

  app.openapi(operations.get, async (c) =>
    c.json(await show(c.var.accountId, c.req.valid("param").id), 200),
  );

  app.openapi(operations.cancel, async (c) => {
    const { id } = c.req.valid("param");
    const { accountId } = c.var;
    await cancelGeneration(db, accountId, id);
    // What it took of quotas came back.
    entitlements.drop(accountId);
    // One of its items may have been woken for a slot that it won't take any more.
    await wakeWaiting(deps, accountId, id);
    return c.json(await show(c.var.accountId, id), 200);
  });

  app.openapi(operations.remove, async (c) => {
    const keys = await deleteGeneration(db, c.var.accountId, c.req.valid("param").id);
    await removeFiles(deps, keys, c.var.requestId);
    return c.body(null, 204);
  });

  return app;
};
