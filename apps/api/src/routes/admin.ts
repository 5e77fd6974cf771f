import { adjustCredits } from "@ducat/db/credits";
import { refundGeneration } from "@ducat/db/generation-refunds";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireNamedAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/admin.ts";
import { showResult } from "../show-credits.ts";

export const adminRoutes = ({ db }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));
  app.use("/generations/:id/*", requireNamedAccount(findAccount));

  app.openapi(operations.adjust, async (c) => {
    const { amount, reason } = c.req.valid("json");
    const requestKey = readRequestKey(c);
    const accountId = await findAccount(c.req.valid("param").id);
    c.set("accountId", accountId);
    const change = { ...requestKey, amount, reason, audit: auditOf(c) };
    const done = await adjustCredits(db, accountId, change);
    markReplay(c, done.replayed);
    return c.json({ amount, ...showResult(accountId, done) }, 201);
  });

  app.openapi(operations.refund, async (c) => {
    const { items, reason } = c.req.valid("json");
    const { id } = c.req.valid("param");
    const done = await refundGeneration(db, c.var.accountId, {
      ...readRequestKey(c),
      id,
      items: items && [...new Set(items.map((item) => item.toLowerCase()))],
      reason,
      audit: auditOf(c),
    });
    markReplay(c, done.replayed);
    return c.json({ generation_id: id, items: done.items, credits: done.credits }, 201);
  });

  return app;
};
