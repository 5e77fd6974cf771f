import { openPortal } from "@ducat/payments/open-portal";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/portal.ts";
import { checkReturnUrl } from "../return-url.ts";
import { toMoment } from "../show-payment.ts";

export const portalRoutes = (deps: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("billing"), requireAccount(findAccount));

  app.openapi(operations.open, async (c) => {
    const returnUrl = checkReturnUrl(deps, c.req.valid("json").return_url);
    const { url, expiresAt } = await openPortal(deps.payments, c.var.accountId, returnUrl);
    return c.json({ url, expires_at: toMoment(expiresAt ?? null) }, 201);
  });

  return app;
};
