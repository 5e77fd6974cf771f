/**
 * `pnpm reconcile [--since 2026-11-01|7d|24h] [--provider name]… [--json]`: compares the books with
 * every payment provider that has a key here, repairs ours by the path that webhooks take, and
 * prints what differed as JSON (with `--json` on one line). Ends with 0 when nothing differed, 1
 * when something did, repaired or not, 2 when a provider or the database could not be asked.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ProviderName, providerNames } from "../../packages/billing/src/provider.ts";
import { connectDatabase } from "../../packages/db/src/connect.ts";
import { createPaymentDeps } from "../../packages/payments/src/providers.ts";
import { readPaymentSettings } from "../../packages/payments/src/read-settings.ts";
import { reportReconciliation } from "../../packages/payments/src/report-reconciliation.ts";
import { requireUrl, runCommand } from "../db/command.ts";
import { readEnvironment } from "../dev/environment.ts";
import { findRunningUrl } from "../dev/running-cluster.ts";
import { loadSecrets } from "../dev/secrets.ts";
import { parseSince } from "./parse-since.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Workers' own runs take seconds; a run that was killed holds its place for two minutes. */
const patienceMs = 150_000;
const exitCodes = { clean: 0, differs: 1, failed: 2 } as const;

/** Standard output is the report's alone. */
const write = (detail: Record<string, unknown>, message: string) => {
  const { provider = "", error = "" } = detail;
  console.error([provider, message, error].filter(Boolean).join(": "));
};
const log = { info: () => undefined, warn: write, error: write };

await runCommand(async (settings) => {
  const { values } = parseArgs({
    options: {
      since: { type: "string" },
      provider: { type: "string", multiple: true },
      json: { type: "boolean" },
    },
  });
  const providers = values.provider?.map(readProvider);
  const since = values.since === undefined ? undefined : parseSince(values.since, Date.now());
  const { dataDir, publicUrl } = readEnvironment({ ...process.env, DATABASE_URL: "" }, root);
  const embedded = settings.adminUrl === undefined ? await findRunningUrl(dataDir) : undefined;
  const url = requireUrl({ ...settings, adminUrl: settings.adminUrl ?? embedded });
  const made = embedded ? await loadSecrets(dataDir, { mode: settings.mode }) : undefined;
  const SECRET_KEYS = process.env.SECRET_KEYS?.trim() || made?.secretKeys;
  const payments = readPaymentSettings({ ...process.env, SECRET_KEYS }, settings.mode);
  const db = connectDatabase({ url, role: "ducat_worker", name: "ducat reconcile", max: 4 });
  try {
    const place = { db, mode: settings.mode, secretKeys: payments.SECRET_KEYS, log };
    const deps = createPaymentDeps(payments, {
      ...place,
      publicUrl: payments.PUBLIC_URL ?? publicUrl,
    });
    const report = await reportReconciliation(deps, { since, providers, patienceMs });
    console.log(JSON.stringify(report, null, values.json ? 0 : 2));
    return exitCodes[report.status];
  } finally {
    await db.end({ timeout: 5 });
  }
});

function readProvider(name: string): ProviderName {
  const found = providerNames.find((one) => one === name);
  if (found) return found;
  throw new Error(`--provider is "${name}"; it is one of ${providerNames.join(", ")}.`);
}
