import {
  type LoginAccount as AccountRow,
  listLoginAccounts,
  openVendorAccount,
} from "@ducat/db/login-accounts";
import { DomainError } from "@ducat/types/errors";
import type { LoginAccount } from "@ducat/types/login-accounts";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { switchAccount } from "../logins/sessions.ts";
import * as operations from "../operations/login-accounts.ts";
import { toTime } from "../show-generation.ts";
import { showTokens } from "./logins.ts";
import { allowSessions, requireSession } from "./sessions.ts";

/** The accounts of a person with a session, and going from one to another. */
export const loginAccountRoutes = ({ db, logins, proxyHops }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(allowSessions);

  app.openapi(operations.list, async (c) => {
    const { loginId } = requireSession(c);
    const { accountId } = c.var.principal;
    const data = (await listLoginAccounts(db, loginId)).map((row) => show(row, accountId));
    return c.json({ data }, 200);
  });

  app.openapi(operations.open, async (c) => {
    const { loginId } = requireSession(c);
    const { accountId: current, isVerified } = c.var.principal;
    if (isVerified === false) throw new DomainError("not_verified");
    const { business_name: businessName } = c.req.valid("json");
    const vendor = { businessName, audit: auditOf(c) };
    const { accountId, created } = await openVendorAccount(db, loginId, vendor);
    const rows = await listLoginAccounts(db, loginId);
    const made = rows.find(({ id }) => id === accountId);
    if (!made) throw new DomainError("not_found");
    return c.json(show(made, current), created ? 201 : 200);
  });

  app.openapi(operations.switchAccount, async (c) => {
    const from = requireSession(c);
    const { account_id, kind } = c.req.valid("json");
    const rows = await listLoginAccounts(db, from.loginId);
    const wanted = rows.find((row) => row.id === account_id || row.kind === kind);
    if (!wanted) throw new DomainError("not_found");
    const caller = { userAgent: c.req.header("user-agent"), ip: readClientIp(c, proxyHops) };
    const begun = await switchAccount(logins, from, { accountId: wanted.id, ...caller });
    return c.json(showTokens(begun), 201);
  });

  return app;
};

const show = (row: AccountRow, current: string | undefined): LoginAccount => ({
  ...row,
  is_current: row.id === current,
  last_login_at: row.last_login_at && toTime(row.last_login_at),
  created_at: toTime(row.created_at),
});
