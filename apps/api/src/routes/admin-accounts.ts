import {
  findAccountRow,
  listAccountLogins,
  searchAccounts,
  setAccountActive,
  setLoginRole,
} from "@ducat/db/admin-accounts";
import { findBalance, freezeAccount } from "@ducat/db/credits";
import { banLogin } from "@ducat/db/logins";
import { findSubscription } from "@ducat/db/subscriptions";
import { removeTotp } from "@ducat/db/totp";
import { findVendor, verifyVendor } from "@ducat/db/vendors";
import type { AccountDetail } from "@ducat/types/admin-accounts";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import { accountColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/admin-accounts.ts";
import { showFound, showListed, showVendor } from "../show-account.ts";
import { showBalance } from "../show-credits.ts";
import { toTime, toTimeOrNull } from "../show-generation.ts";
import { showSubscription } from "../show-subscription.ts";

export const adminAccountRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, cache } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const query = c.req.valid("query");
    const flags = { isFrozen: toFlag(query.frozen), isActive: toFlag(query.active) };
    return await answerList(c, deps, {
      list: await searchAccounts(db, { ...query, ...flags }),
      show: (rows) => rows.map(showListed),
      ...{ kind: "account", name: "accounts", columns: accountColumns, query },
    });
  });

  app.openapi(operations.get, async (c) => {
    const id = await findAccount(c.req.valid("param").id);
    return c.json(await readDetail(deps, id), 200);
  });

  for (const [operation, isActive] of [
    [operations.activate, true],
    [operations.deactivate, false],
  ] as const) {
    app.openapi(operation, async (c) => {
      const id = await findAccount(c.req.valid("param").id);
      await setAccountActive(db, id, { isActive, audit: auditOf(c, c.req.valid("json")?.reason) });
      // The database has told every process; this one shall know before its answer is out.
      await cache.forget([`account:${id}`]);
      return c.json(await readDetail(deps, id), 200);
    });
  }

  for (const [operation, frozen] of [
    [operations.freeze, true],
    [operations.unfreeze, false],
  ] as const) {
    app.openapi(operation, async (c) => {
      const id = await findAccount(c.req.valid("param").id);
      await freezeAccount(db, id, {
        reason: "admin",
        frozen,
        audit: auditOf(c, c.req.valid("json")?.reason),
      });
      return c.json(await readDetail(deps, id), 200);
    });
  }

  for (const [operation, isVerified] of [
    [operations.verifyVendor, true],
    [operations.unverifyVendor, false],
  ] as const) {
    app.openapi(operation, async (c) => {
      const id = await findAccount(c.req.valid("param").id);
      await verifyVendor(db, id, { isVerified, audit: auditOf(c, c.req.valid("json")?.reason) });
      return c.json(await readDetail(deps, id), 200);
    });
  }

  return app;
};

export const adminLoginRoutes = ({ db, cache }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.setRole, async (c) => {
    const { id } = c.req.valid("param");
    const { role } = c.req.valid("json");
    const done = await setLoginRole(db, id, { role, audit: auditOf(c) });
    await cache.forget([`login:${id}`]);
    return c.json(done, 200);
  });

  app.openapi(operations.removeTotp, async (c) => {
    const { id } = c.req.valid("param");
    await removeTotp(db, id, auditOf(c));
    await cache.forget([`login:${id}`]);
    return c.body(null, 204);
  });

  for (const [operation, isBanned] of [
    [operations.ban, true],
    [operations.unban, false],
  ] as const) {
    app.openapi(operation, async (c) => {
      const { id } = c.req.valid("param");
      const ban = await banLogin(db, id, {
        isBanned,
        audit: auditOf(c, c.req.valid("json")?.reason),
      });
      await cache.forget([`login:${id}`]);
      return c.json({ id: ban.id, banned_at: ban.banned_at && toTime(ban.banned_at) }, 200);
    });
  }

  return app;
};

const toFlag = (text: "true" | "false" | undefined) =>
  text === undefined ? undefined : text === "true";

/** Errors: not_found. */
async function readDetail({ db, payments }: Deps, id: string): Promise<AccountDetail> {
  const [row, vendor, balance, subscription, logins] = await Promise.all([
    findAccountRow(db, id),
    findVendor(db, id),
    findBalance(db, id),
    findSubscription(db, id),
    listAccountLogins(db, id),
  ]);
  if (!row || !balance) throw new DomainError("not_found");
  const provider = subscription && payments.providers.get(subscription.provider);
  return {
    ...showFound(row),
    vendor: vendor ? showVendor(id, vendor) : null,
    balance: showBalance(balance),
    frozen: row.frozen,
    subscription: subscription ? showSubscription(subscription, provider) : null,
    logins: logins.map((login) => ({
      ...login,
      verified_at: toTimeOrNull(login.verified_at),
      banned_at: toTimeOrNull(login.banned_at),
      created_at: toTime(login.created_at),
    })),
  };
}
