import {
  createApiKey,
  findApiKey,
  type KeyOwner,
  listApiKeys,
  type ApiKey as Row,
  revokeApiKey,
  rotateApiKey,
} from "@ducat/db/api-keys";
import type { ApiKey } from "@ducat/types/api-keys";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { allowScopes } from "../allow-scopes.ts";
import { makeApiKey } from "../api-key.ts";
import { auditOf } from "../audit.ts";
import { type FindAccount, type Principal, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/api-keys.ts";
import { refuseAt } from "../problem.ts";
import { accountKeyScopes, isScope, scopes } from "../scopes.ts";
import { toTime, toTimeOrNull } from "../show-generation.ts";

export const apiKeyRoutes = ({ db, mode, cache, now }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("keys"));

  app.openapi(operations.create, async (c) => {
    const body = c.req.valid("json");
    const owner = await findOwner(c, findAccount);
    const made = makeApiKey(mode);
    if (body.expires_at && body.expires_at.getTime() <= now()) {
      throw refuseAt("/expires_at", "This moment has passed.");
    }
    const expiresAt = allowEnd(body.expires_at, c.var.principal);
    const key = await createApiKey(db, owner, {
      id: made.id,
      hash: made.hash,
      name: body.name,
      scopes: allowScopes(body.scopes, {
        principal: c.var.principal,
        most: owner === null ? scopes : accountKeyScopes,
      }),
      limitPerMinute: allowLimit(body.limit_per_minute, c.var.principal),
      audit: auditOf(c),
      ...(expiresAt && { expiresAt }),
    });
    return c.json({ ...showKey(key), key: made.text }, 201);
  });

  app.openapi(operations.list, async (c) => {
    const keys = await listApiKeys(db, await findOwner(c, findAccount));
    return c.json({ data: keys.map(showKey) }, 200);
  });

  app.openapi(operations.revoke, async (c) => {
    const { id } = c.req.valid("param");
    const owner = await findOwner(c, findAccount);
    const key = await revokeApiKey(db, owner, { id, audit: auditOf(c) });
    await forget(id);
    return c.json(showKey(key), 200);
  });

  app.openapi(operations.rotate, async (c) => {
    const { id: oldId } = c.req.valid("param");
    const { overlap_s: overlapSeconds } = c.req.valid("json");
    const owner = await findOwner(c, findAccount);
    checkReach(await findApiKey(db, owner, oldId), c.var.principal);
    const { id, hash, text } = makeApiKey(mode);
    const change = { oldId, id, hash, overlapSeconds, audit: auditOf(c) };
    const key = await rotateApiKey(db, owner, change);
    await forget(oldId);
    return c.json({ ...showKey(key), key: text }, 201);
  });

  /** The database has told every process; this one shall know before its answer is out. */
  const forget = (id: string) => cache.forget([`key:${id}`]);

  return app;
};

/** A key that has a limit makes none that has more. Errors: forbidden. */
function allowLimit(wanted: number | undefined, { limitPerMinute: own }: Principal) {
  if (own === undefined || (wanted !== undefined && wanted <= own)) return wanted;
  if (wanted === undefined) return own;
  throw new DomainError("forbidden", { detail: `You may give ${own} requests a minute at most.` });
}

/** A key that ends makes none that goes on. Errors: forbidden. */
function allowEnd(wanted: Date | undefined, { endsAt }: Principal): Date | undefined {
  if (endsAt === undefined) return wanted;
  if (wanted === undefined) return new Date(endsAt);
  if (wanted.getTime() <= endsAt) return wanted;
  throw new DomainError("forbidden", { detail: "That key would work for longer than yours." });
}

/** Whoever puts a key in another's place has it then: at most one like their own. */
function checkReach(old: Row | undefined, principal: Principal): void {
  const { scopes: own, limitPerMinute, endsAt = Number.POSITIVE_INFINITY } = principal;
  if (!old) throw new DomainError("not_found");
  const isWithin = old.scopes.filter(isScope).every((scope) => own.includes(scope));
  const most = limitPerMinute ?? Number.POSITIVE_INFINITY;
  const oldEnd = old.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(old.expires_at);
  if (!isWithin || (old.limit_per_minute ?? Number.POSITIVE_INFINITY) > most || oldEnd > endsAt) {
    throw new DomainError("forbidden", { detail: "That key may do more than you may." });
  }
}

/** Errors: not_found. */
async function findOwner(c: Context<AppEnv>, findAccount: FindAccount): Promise<KeyOwner> {
  const named = c.req.header("ducat-account");
  return c.var.principal.accountId ?? (named === undefined ? null : await findAccount(named));
}

function showKey(key: Row): ApiKey {
  return {
    ...key,
    expires_at: toTimeOrNull(key.expires_at),
    last_used_at: toTimeOrNull(key.last_used_at),
    revoked_at: toTimeOrNull(key.revoked_at),
    created_at: toTime(key.created_at),
  };
}
