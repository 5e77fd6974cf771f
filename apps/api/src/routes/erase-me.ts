import { eraseAccount } from "@ducat/db/erasures";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireAccount } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { endRunning } from "../end-running.ts";
import { mustReauthenticate, reauthenticate } from "../logins/reauthenticate.ts";
import * as operations from "../operations/me.ts";
import { removeFiles } from "../remove-files.ts";

/** How long somebody who has signed in elsewhere counts as being there in person. */
const freshMs = 10 * 60_000;

/** Erasing, which is nothing that the scope of the rest of /v1/me is enough for. */
export const eraseMeRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, cache } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.on("DELETE", operations.erase.path, allowErasing, requireAccount(findAccount));

  app.openapi(operations.erase, async (c) => {
    const { accountId } = c.var;
    // Without a body there are no defaults.
    const { confirm: isConfirmed = false, ...shown } = c.req.valid("json");
    await requirePresence(c, deps, shown);
    if (isConfirmed) await endRunning(deps, accountId);
    const keys = await eraseAccount(db, accountId, { isConfirmed, audit: auditOf(c) });
    await cache.forget([`account:${accountId}`]);
    await removeFiles(deps, keys, c.var.requestId);
    return c.body(null, 204);
  });

  return app;
};

/**
 * A person, verified or not, or the product's server. What a browser or an account's own server
 * holds may leak, and there is no way back from this. Errors: forbidden.
 */
const allowErasing: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { kind, accountId, scopes } = c.var.principal;
  const isServer = ["root", "key"].includes(kind) && accountId === undefined;
  const isPerson = kind === "session" || kind === "external";
  if (!isPerson && !(isServer && scopes.includes("accounts"))) throw new DomainError("forbidden");
  await next();
};

type Shown = { password?: string | undefined; totp_code?: string | undefined };

/** Errors: forbidden (reason: reauthenticate), validation_failed, rate_limited. */
async function requirePresence(
  c: Context<AppEnv>,
  { logins, now }: Pick<Deps, "logins" | "now">,
  { password, totp_code: totpCode }: Shown,
): Promise<void> {
  const { kind, loginId, sessionId, provenAt } = c.var.principal;
  if (loginId !== undefined && sessionId !== undefined) {
    return await reauthenticate(logins, { loginId, sessionId, password, totpCode });
  }
  if (kind !== "external") return;
  if (provenAt === undefined || now() - provenAt > freshMs) throw mustReauthenticate();
}
