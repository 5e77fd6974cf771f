import { createAccount } from "@ducat/db/accounts";
import type { Account } from "@ducat/types/accounts";
import { OpenAPIHono } from "@hono/zod-openapi";
import { requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/accounts.ts";
import { toTime } from "../show-generation.ts";

export const accountRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("accounts"));

  app.openapi(operations.create, async (c) => {
    const { account, created } = await createAccount(db, c.req.valid("json"));
    const body: Account = { ...account, created_at: toTime(account.created_at) };
    return created ? c.json(body, 201) : c.json(body, 200);
  });

  return app;
};
