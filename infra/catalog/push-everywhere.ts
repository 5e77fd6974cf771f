import postgres from "postgres";
import { toRows } from "../../packages/billing/src/catalog.ts";
import type { Mode } from "../../packages/billing/src/provider.ts";
import { pushStripeCatalog, type StripeChange } from "../../packages/billing/src/stripe-catalog.ts";
import { type CatalogChange, findCatalogName, pushCatalog } from "../../packages/db/src/catalog.ts";
import { readCatalog } from "./load-catalog.ts";

export type PushReport = {
  catalog: string;
  dry_run: boolean;
  /** Null without a key of Stripe's. */
  stripe: StripeChange[] | null;
  database: CatalogChange[];
};

type PushOptions = {
  adminUrl: string;
  /** A name or a path; left out: the catalog that is loaded. */
  catalog: string | undefined;
  mode: Mode;
  dryRun: boolean;
  stripe?: { secretKey: string; baseUrl?: string };
};

/**
 * Stripe's prices first, since their ids belong into the database's rows; then the database; and
 * only when that is stored, Stripe's old prices go. Broken off anywhere, the next run ends it.
 */
export async function pushEverywhere(options: PushOptions): Promise<PushReport> {
  const { adminUrl, mode, dryRun, stripe } = options;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const name = options.catalog ?? (await findCatalogName(sql)) ?? "landscape";
    const rows = toRows(await readCatalog(name), mode);
    const atStripe = stripe && (await pushStripeCatalog({ ...stripe, mode }, rows, { dryRun }));
    const database = await pushCatalog(sql, atStripe?.rows ?? rows, { dryRun });
    await atStripe?.archive();
    const changes = atStripe?.changes ?? null;
    return { catalog: rows.catalog, dry_run: dryRun, stripe: changes, database };
  } finally {
    await sql.end({ timeout: 5 });
  }
}
