import { type Catalog, type CatalogRows, toRows } from "@ducat/billing/catalog";
import type { Mode } from "@ducat/billing/provider";
import type { pushStripeCatalog, StripeChange } from "@ducat/billing/stripe-catalog";
import {
  beginCatalogPush,
  type CatalogChange,
  type CatalogDocument,
  endCatalogPush,
  publishCatalog,
} from "@ducat/db/catalog";
import type { Db } from "@ducat/db/connect";
import type { Audit } from "@ducat/db/credits";
import { DomainError } from "@ducat/types/errors";

/** Gives a provider the prices of a catalog; see pushStripeCatalog. */
export type PushPrices = (
  rows: CatalogRows,
  options: { dryRun: boolean },
) => ReturnType<typeof pushStripeCatalog>;

export type PushReport = {
  catalog: string;
  dry_run: boolean;
  /** Null where no provider has our prices. */
  stripe: StripeChange[] | null;
  database: CatalogChange[];
};

type PushDeps = { db: Db; mode: Mode; pushPrices?: PushPrices | undefined };
type Push = { catalog: Catalog; document: CatalogDocument; dryRun: boolean; audit: Audit };

/** Longer than changing the prices of the largest catalog takes: then its process is gone. */
const leaseSeconds = 15 * 60;

/**
 * Makes everything sell what a checked catalog says, for operators: `pnpm catalog push`, the API.
 * The provider's prices first, since their ids belong into the database's rows; then the database;
 * and only when that is stored, the provider's old prices go. Broken off anywhere, the next push
 * ends it. Errors: in_progress (another push is changing prices), invalid_state (kind_changed, or
 * the provider refused), validation_failed, provider_unavailable.
 */
export async function pushCatalogEverywhere(deps: PushDeps, push: Push): Promise<PushReport> {
  const { db, mode, pushPrices } = deps;
  const { catalog, document, dryRun, audit } = push;
  const rows = toRows(catalog, mode);
  const report = { catalog: rows.catalog, dry_run: dryRun };
  if (!pushPrices) {
    const database = await publishCatalog(db, rows, { document, dryRun, audit });
    return { ...report, stripe: null, database };
  }
  // What the database refuses shall leave nothing at the provider.
  await publishCatalog(db, rows, { document, dryRun: true, audit });
  const lead = { catalog: rows.catalog, seconds: leaseSeconds, audit };
  const token = dryRun ? undefined : await beginCatalogPush(db, lead);
  if (!dryRun && token === undefined) {
    throw new DomainError("in_progress", { detail: "Another push of a catalog is under way." });
  }
  try {
    const there = await pushPrices(rows, { dryRun });
    const database = await publishCatalog(db, there.rows, { document, dryRun, audit });
    await there.archive();
    return { ...report, stripe: there.changes, database };
  } finally {
    if (token !== undefined) await endCatalogPush(db, token);
  }
}
