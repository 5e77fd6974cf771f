import { findStyle, listStyles } from "@ducat/db/styles";
import { DomainError } from "@ducat/types/errors";
import { readStyleInputs } from "@ducat/types/style-inputs";
import { OpenAPIHono } from "@hono/zod-openapi";
import { requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/styles.ts";

export const styleRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("styles"));
  app.openapi(operations.list, async (c) => c.json({ data: await listStyles(db) }, 200));
  app.openapi(operations.get, async (c) => {
    const style = await findStyle(db, c.req.valid("param").id);
    if (!style) throw new DomainError("not_found");
    return c.json({ ...style, inputs: readStyleInputs(style.inputs) ?? null }, 200);
  });
  return app;
};
