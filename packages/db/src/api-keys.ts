import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** A key as its owner sees it. Times are as PostgreSQL writes them in JSON. */
export type ApiKey = {
  id: string;
  account_id: string | null;
  name: string;
  scopes: string[];
  replaces: string | null;
  created_by: string;
  limit_per_minute: number | null;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
  created_at: string;
};

/** Whose key: an account's, or with null the product's own. */
export type KeyOwner = string | null;

/** Keeps what recognises a new key. Errors: not_found (account), invalid_state (100 keys work). */
export async function createApiKey(
  db: Db,
  owner: KeyOwner,
  key: {
    id: string;
    hash: Buffer;
    name: string;
    scopes: string[];
    expiresAt?: Date;
    /** Requests; any number when left out. */
    limitPerMinute?: number | undefined;
    audit: Audit;
  },
): Promise<ApiKey> {
  const [row] = await ask(db<{ made: ApiKey }[]>`
    SELECT ducat.create_api_key(${key.id}, ${owner}, ${key.name}, ${key.hash}, ${key.scopes},
      ${key.expiresAt ?? null}, ${JSON.stringify(key.audit)}::text::jsonb,
      ${key.limitPerMinute ?? null}) AS made`);
  if (!row) throw new Error("create_api_key returned nothing");
  return row.made;
}

export type WorkingKey = {
  accountId: string | undefined;
  hash: Buffer;
  scopes: string[];
  expiresAt: Date | undefined;
  limitPerMinute: number | undefined;
};

/** What recognises the key with this id, while it works; writes when it was last used. */
export async function useApiKey(
  db: Db,
  id: string,
  given: Buffer,
): Promise<WorkingKey | undefined> {
  type Found = {
    account_id: string | null;
    hash: string;
    scopes: string[];
    expires_at: string | null;
    limit_per_minute: number | null;
  };
  const [row] = await ask(
    db<{ found: Found | null }[]>`SELECT ducat.use_api_key(${id}, ${given}) AS found`,
  );
  if (!row?.found) return undefined;
  const { account_id, hash, scopes, expires_at, limit_per_minute } = row.found;
  return {
    accountId: account_id ?? undefined,
    hash: Buffer.from(hash, "hex"),
    scopes,
    expiresAt: expires_at === null ? undefined : new Date(expires_at),
    limitPerMinute: limit_per_minute ?? undefined,
  };
}

/** The owner's keys, newest first, 200 at most. */
export async function listApiKeys(db: Db, owner: KeyOwner): Promise<ApiKey[]> {
  const rows = await ask(db<{ key: ApiKey }[]>`SELECT ducat.list_api_keys(${owner}) AS key`);
  return rows.map(({ key }) => key);
}

/** A key of the owner's, working or not. */
export async function findApiKey(db: Db, owner: KeyOwner, id: string): Promise<ApiKey | undefined> {
  const [row] = await ask(db<{ key: ApiKey | null }[]>`
    SELECT ducat.find_api_key(${owner}, ${id}) AS key`);
  return row?.key ?? undefined;
}

/** Ends a key now, or after an overlap in seconds. Errors: not_found. */
export async function revokeApiKey(
  db: Db,
  owner: KeyOwner,
  { id, overlapSeconds = 0, audit }: { id: string; overlapSeconds?: number; audit: Audit },
): Promise<ApiKey> {
  const [row] = await ask(db<{ key: ApiKey }[]>`
    SELECT ducat.revoke_api_key(${owner}, ${id}, ${overlapSeconds},
      ${JSON.stringify(audit)}::text::jsonb) AS key`);
  if (!row) throw new Error("revoke_api_key returned nothing");
  return row.key;
}

/** Makes a key in the place of another. Errors: not_found, invalid_state. */
export async function rotateApiKey(
  db: Db,
  owner: KeyOwner,
  key: { oldId: string; id: string; hash: Buffer; overlapSeconds: number; audit: Audit },
): Promise<ApiKey> {
  const [row] = await ask(db<{ made: ApiKey }[]>`
    SELECT ducat.rotate_api_key(${owner}, ${key.oldId}, ${key.id}, ${key.hash},
      ${key.overlapSeconds}, ${JSON.stringify(key.audit)}::text::jsonb) AS made`);
  if (!row) throw new Error("rotate_api_key returned nothing");
  return row.made;
}
