/**
 * `pnpm catalog push [name|file] [--dry-run] [--json]`: makes the database sell what a catalog says
 * (by default $CATALOG, else the one that is loaded), and with STRIPE_SECRET_KEY creates or matches
 * its products and prices at Stripe. `--dry-run` only tells what would change.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DomainError } from "../../packages/types/src/errors.ts";
import { requireUrl, runCommand } from "../db/command.ts";
import { readEnvironment } from "../dev/environment.ts";
import { findRunningUrl } from "../dev/running-cluster.ts";
import { describeChanges } from "./describe-changes.ts";
import { pushEverywhere } from "./push-everywhere.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

await runCommand(async (settings) => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { "dry-run": { type: "boolean" }, json: { type: "boolean" } },
  });
  const [command, named, ...rest] = positionals;
  if (command !== "push" || rest.length > 0) {
    throw new Error("Usage: pnpm catalog push [name|file] [--dry-run] [--json]");
  }
  const { dataDir } = readEnvironment({ ...process.env, DATABASE_URL: "" }, root);
  const adminUrl = settings.adminUrl ?? (await findRunningUrl(dataDir));
  const { STRIPE_SECRET_KEY: key, STRIPE_API_URL: baseUrl } = process.env;
  const report = await pushEverywhere({
    adminUrl: requireUrl({ ...settings, adminUrl }),
    catalog: named ?? settings.catalog,
    mode: settings.mode,
    dryRun: values["dry-run"] ?? false,
    ...(key?.trim() && { stripe: { secretKey: key.trim(), ...(baseUrl?.trim() && { baseUrl }) } }),
  }).catch((error: unknown) => {
    throw withCause(error);
  });
  console.log(values.json ? JSON.stringify(report, null, 2) : describeChanges(report));
  return 0;
});

/** For the operator the provider's own words, which a client of the API never sees. */
function withCause(error: unknown): unknown {
  if (!(error instanceof DomainError)) return error;
  const { cause, detail, message } = error;
  const more = cause instanceof Error ? cause.message : JSON.stringify(detail.extra ?? {});
  return new Error(`${message} ${more}`, { cause: error });
}
