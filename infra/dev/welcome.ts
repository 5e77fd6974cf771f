import type { Database } from "./database.ts";
import type { Environment } from "./environment.ts";

/** Prints where everything is, the key, and a first request to paste. */
export function printWelcome(environment: Environment, database: Database, tookMs: number): void {
  const { publicUrl, dataDir, rootKey, mode } = environment;
  // A key that came from outside is somebody's secret; only our own is shown.
  const isOurs = rootKey === undefined;
  const key = isOurs ? database.rootKey : "$ROOT_KEY";
  const place = database.cluster?.dataDir;
  const isElsewhere = place !== undefined && !place.startsWith(dataDir);
  const lines = [
    "",
    `Ducat is ready (${mode} mode, ${(tookMs / 1000).toFixed(1)} s).`,
    "",
    `  URL       ${publicUrl}`,
    `  Docs      ${publicUrl}/docs`,
    `  Root key  ${isOurs ? key : "as given by ROOT_KEY"}`,
    `  Data      ${dataDir}${isElsewhere ? ` (database: ${place})` : ""}`,
    "",
    "Try it:",
    "",
    `  curl -s ${publicUrl}/v1/accounts \\`,
    `    -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" \\`,
    `    -d '{"external_id":"ada","kind":"user"}'`,
    "",
    "Ctrl-C stops it.",
    "",
  ];
  console.log(lines.join("\n"));
}
