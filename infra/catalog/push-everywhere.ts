import postgres from "postgres";
import type { Mode } from "../../packages/billing/src/provider.ts";
import { findCatalogName } from "../../packages/db/src/catalog.ts";
import type { Db } from "../../packages/db/src/connect.ts";
import { makePushPrices } from "../../packages/payments/src/providers.ts";
import {
  type PushReport,
  pushCatalogEverywhere,
} from "../../packages/payments/src/push-catalog.ts";
import { readCatalogFile } from "./load-catalog.ts";

type PushOptions = {
  adminUrl: string;
  /** A name or a path; left out: the catalog that is loaded. */
  catalog: string | undefined;
  mode: Mode;
  dryRun: boolean;
  stripe?: { secretKey: string; baseUrl?: string };
};

/** What audit lines and the catalog's history call whoever runs the command. */
const audit = { actor: "command", request_id: "", ip: null };

/** Pushes a catalog's file as an administrator of the database; see pushCatalogEverywhere. */
export async function pushEverywhere(options: PushOptions): Promise<PushReport> {
  const { adminUrl, mode, dryRun, stripe } = options;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const name = options.catalog ?? (await findCatalogName(sql)) ?? "landscape";
    const { catalog, document } = await readCatalogFile(name);
    const settings = {
      STRIPE_SECRET_KEY: stripe?.secretKey,
      STRIPE_API_URL: stripe?.baseUrl,
    };
    const deps = { db: sql as unknown as Db, mode, pushPrices: makePushPrices(settings, { mode }) };
    return await pushCatalogEverywhere(deps, { catalog, document, dryRun, audit });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
