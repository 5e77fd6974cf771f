import { redeemCode } from "@ducat/db/promo-codes";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/redeem.ts";
import { showResult } from "../show-credits.ts";
import { toTime } from "../show-generation.ts";

export const redeemRoutes = ({ db }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("credits"), requireAccount(findAccount));

  app.openapi(operations.redeem, async (c) => {
    const requestKey = c.req.header("idempotency-key") ? readRequestKey(c) : undefined;
    const { code } = c.req.valid("json");
    const done = await redeemCode(db, c.var.accountId, { code, requestKey });
    markReplay(c, done.replayed);
    const { credits, subject, expires_at } = done;
    const life = { subject, expires_at: expires_at && toTime(expires_at) };
    const result = showResult(c.var.accountId, done);
    return c.json({ code: done.code, credits, ...life, ...result }, 201);
  });

  return app;
};
