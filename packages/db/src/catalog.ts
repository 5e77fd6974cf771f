import type postgres from "postgres";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

type PriceSlot = {
  provider: string | null;
  currency: string;
  interval: string;
  amount: number;
  provider_ref: string | null;
};

/** What `pushCatalog` takes: every column that a catalog decides. */
export type CatalogRows = {
  catalog: string;
  trial_credits: number;
  products: (Record<string, unknown> & { key: string; kind: string; prices: PriceSlot[] })[];
};

export type CatalogChange =
  | {
      what: "product";
      action: "add" | "change" | "retire" | "restore";
      product: string;
      before?: Record<string, unknown>;
      after?: Record<string, unknown>;
    }
  | {
      what: "price";
      action: "add" | "change" | "retire" | "restore";
      product: string;
      price: PriceSlot;
    }
  | {
      what: "setting";
      action: "add" | "change";
      setting: string;
      before: unknown;
      after: unknown;
    };

/** The catalog's file, kept beside its rows. */
export type CatalogDocument = Record<string, unknown>;

type PushOptions = {
  dryRun?: boolean | undefined;
  document?: CatalogDocument | undefined;
  /** Leaves an audit line; left out: a start of the deployment. */
  audit?: Audit | undefined;
};

/**
 * Makes the database sell what the catalog says; the same again changes nothing. Takes an
 * administrator's connection: neither the API nor a worker may. With `dryRun` it only tells.
 * Errors: invalid_state (extra.reason kind_changed), validation_failed.
 */
export async function pushCatalog(
  sql: postgres.Sql,
  catalog: CatalogRows,
  { dryRun = false, document, audit }: PushOptions = {},
): Promise<CatalogChange[]> {
  const [row] = await ask(sql<{ changes: CatalogChange[] }[]>`
    SELECT ducat.push_catalog(${JSON.stringify(catalog)}::text::jsonb, ${dryRun},
      ${toJson(document)}::text::json, ${toJson(audit)}::text::jsonb) AS changes`);
  return row?.changes ?? [];
}

/** The same for an operator of the API, as its role. */
export async function publishCatalog(
  db: Db,
  catalog: CatalogRows,
  { dryRun = false, document, audit }: PushOptions & { audit: Audit },
): Promise<CatalogChange[]> {
  const [row] = await ask(db<{ changes: CatalogChange[] }[]>`
    SELECT ducat.publish_catalog(${JSON.stringify(catalog)}::text::jsonb, ${dryRun},
      ${toJson(document)}::text::json, ${JSON.stringify(audit)}::text::jsonb) AS changes`);
  return row?.changes ?? [];
}

const toJson = (value: unknown) => (value === undefined ? null : JSON.stringify(value));

/**
 * Begins to change prices at a provider, for `seconds` at most; undefined while somebody else is at
 * it. Give what it returns to endCatalogPush.
 */
export async function beginCatalogPush(
  sql: Db | postgres.Sql,
  { catalog, seconds, audit }: { catalog: string; seconds: number; audit: Audit },
): Promise<string | undefined> {
  const [row] = await ask(sql<{ token: string | null }[]>`
    SELECT ducat.begin_catalog_push(${catalog}, ${seconds},
      ${JSON.stringify(audit)}::text::jsonb) AS token`);
  return row?.token ?? undefined;
}

export async function endCatalogPush(sql: Db | postgres.Sql, token: string): Promise<void> {
  await ask(sql`SELECT ducat.end_catalog_push(${token})`);
}

/** A catalog that was pushed. */
export type CatalogVersion = {
  version: number;
  catalog: string;
  /** Null where only its rows are known. */
  document: CatalogDocument | null;
  changes: CatalogChange[];
  pushed_by: string;
  pushed_at: Date;
};

/** A version of the catalog, the one in force unless it is named; undefined when there is none. */
export async function findCatalogVersion(
  sql: Db | postgres.Sql,
  version?: number,
): Promise<CatalogVersion | undefined> {
  const [row] = await ask(sql<CatalogVersion[]>`
    SELECT version, catalog, document, changes, pushed_by, pushed_at FROM ducat.catalog_versions
    WHERE ${version ?? null}::int IS NULL OR version = ${version ?? null}::int
    ORDER BY version DESC LIMIT 1`);
  return row;
}

/** The catalogs that were pushed, newest first, before `before` when it is given. */
export async function listCatalogVersions(
  db: Db,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<(Omit<CatalogVersion, "document" | "changes"> & { changes: number })[]> {
  return ask(db<(Omit<CatalogVersion, "document" | "changes"> & { changes: number })[]>`
    SELECT version, catalog, jsonb_array_length(changes) AS changes, pushed_by, pushed_at
    FROM ducat.catalog_versions
    WHERE ${before ?? null}::int IS NULL OR version < ${before ?? null}::int
    ORDER BY version DESC LIMIT ${limit}`);
}

/** The name of the catalog that was pushed last; undefined before the first. */
export async function findCatalogName(sql: postgres.Sql): Promise<string | undefined> {
  const [row] = await ask(sql<{ name: string }[]>`
    SELECT value #>> '{}' AS name FROM ducat.admin_config WHERE key = 'catalog'`);
  return row?.name;
}
