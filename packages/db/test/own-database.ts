import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { loadCatalog } from "../../../infra/catalog/load-catalog.ts";
import { startCluster } from "../../../infra/dev/cluster.ts";
import { connectDatabase } from "../src/connect.ts";
import { migrate } from "../src/migrate.ts";
import { seedStyles } from "../src/seed.ts";
import type { TestDatabase } from "./clone.ts";

export type OwnDatabase = TestDatabase & {
  /** Ends the server as a crash does. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
};

/** A server that a test may break, with a migrated database. */
export async function startOwnDatabase(): Promise<OwnDatabase> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-own-"));
  // What was told to be stored must be there after the crash.
  const settings = { synchronous_commit: "on" };
  const cluster = await startCluster({ dir, fsync: false, settings });
  const { url } = cluster;
  await migrate({ url });
  await seedStyles(url);
  await loadCatalog({ adminUrl: url });
  const app = connectDatabase({ url, role: "ducat_app" });
  const worker = connectDatabase({ url, role: "ducat_worker" });
  const admin = postgres(url, {
    max: 2,
    onnotice: () => {},
    backoff: () => 0.05,
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  return {
    app,
    worker,
    admin,
    url,
    kill: cluster.kill,
    start: cluster.restart,
    async close() {
      await Promise.all([app, worker, admin].map((sql) => sql.end({ timeout: 1 })));
      await cluster.stop("immediate");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
