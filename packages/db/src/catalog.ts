import type postgres from "postgres";
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

/**
 * Makes the database sell what the catalog says; the same again changes nothing. Takes an
 * administrator's connection: neither the API nor a worker may. With `dryRun` it only tells.
 * Errors: invalid_state (extra.reason kind_changed), validation_failed.
 */
export async function pushCatalog(
  sql: postgres.Sql,
  catalog: CatalogRows,
  { dryRun = false }: { dryRun?: boolean } = {},
): Promise<CatalogChange[]> {
  const [row] = await ask(sql<{ changes: CatalogChange[] }[]>`
    SELECT ducat.push_catalog(${JSON.stringify(catalog)}::text::jsonb, ${dryRun}) AS changes`);
  return row?.changes ?? [];
}

/** The name of the catalog that was pushed last; undefined before the first. */
export async function findCatalogName(sql: postgres.Sql): Promise<string | undefined> {
  const [row] = await ask(sql<{ name: string }[]>`
    SELECT value #>> '{}' AS name FROM ducat.admin_config WHERE key = 'catalog'`);
  return row?.name;
}
