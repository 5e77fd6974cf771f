import { getAlerts, setAlerts } from "@ducat/db/alerts";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/alerts.ts";

export const alertRoutes = ({ db, cache }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("credits"), requireAccount(findAccount));

  app.openapi(operations.get, async (c) => c.json(await getAlerts(db, c.var.accountId), 200));

  app.openapi(operations.set, async (c) => {
    const { accountId } = c.var;
    const set = await setAlerts(db, accountId, c.req.valid("json"));
    // The database has told every process; this one shall know before its answer is out.
    await cache.forget([`alerts:${accountId}`]);
    return c.json(set, 200);
  });

  return app;
};
