import { listStyles } from "@ducat/db/styles";
import { OpenAPIHono } from "@hono/zod-openapi";
import { requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/styles.ts";

export const styleRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("styles"));
  app.openapi(operations.list, async (c) => c.json({ data: await listStyles(db) }, 200));
  return app;
};
