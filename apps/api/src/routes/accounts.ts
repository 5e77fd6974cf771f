import { createAccount, noteAccountToken } from "@ducat/db/accounts";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { allowScopes } from "../allow-scopes.ts";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/accounts.ts";
import { accountScopes } from "../scopes.ts";
import { showAccount } from "../show-account.ts";
import { toTime } from "../show-generation.ts";

export const accountRoutes = ({ db, accountTokens }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("accounts"));

  app.openapi(operations.create, async (c) => {
    const { account, created } = await createAccount(db, c.req.valid("json"), auditOf(c));
    const body = showAccount(account);
    return created ? c.json(body, 201) : c.json(body, 200);
  });

  app.openapi(operations.createToken, async (c) => {
    const { scopes: wanted, expires_in: seconds } = c.req.valid("json");
    const { principal } = c.var;
    const accountId = await findAccount(c.req.valid("param").id);
    const own = accountScopes.filter((scope) => principal.scopes.includes(scope));
    const scopes = allowScopes(wanted ?? own, { principal, most: accountScopes });
    if (scopes.length === 0) throw new DomainError("forbidden");
    const { token, expiresAt } = accountTokens.make({ accountId, scopes, seconds });
    // Whoever holds it is the account for a while: no such token without a line.
    await noteAccountToken(db, accountId, { scopes, expiresAt, audit: auditOf(c) });
    return c.json({ token, account_id: accountId, scopes, expires_at: toTime(expiresAt) }, 201);
  });

  return app;
};
