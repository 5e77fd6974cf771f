import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/entitlements.ts";
import { showEntitlements, showReset } from "../show-entitlements.ts";

export const entitlementRoutes = ({ entitlements, now }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("usage"), requireAccount(findAccount));

  app.openapi(operations.get, async (c) => {
    const found = await entitlements.get(c.var.accountId);
    return c.json(showEntitlements(found, { counted: c.var.limits, now: now() }), 200);
  });

  app.openapi(operations.check, async (c) => {
    const checked = await entitlements.check(c.var.accountId, c.req.valid("json"));
    return c.json(showReset(checked), 200);
  });

  return app;
};
