import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { connectDatabase, type Db } from "../../packages/db/src/connect.ts";
import { migrate } from "../../packages/db/src/migrate.ts";
import { seedStyles } from "../../packages/db/src/seed.ts";
import { migrateQueue } from "../../packages/queue/src/migrate.ts";
import { startCluster } from "../dev/cluster.ts";
import { type Fill, fillDatabase, makeBareTables } from "./fill.ts";

/** A login of production, or the superuser. */
type Login = "ducat_app" | "ducat_worker" | "postgres";

export type BenchCluster = {
  /** Makes a migrated database with accounts, and `rounds` finished generations for each. */
  createDatabase(name: string, fill: Fill): Promise<BenchDatabase>;
  /** The settings that decide what a commit costs, as the server says. */
  readSettings(): Promise<Record<string, string>>;
  close(): Promise<void>;
};

export type BenchDatabase = {
  url(login: Login): string;
  /** A pool of the API's role, as the API opens it; closed with the cluster. */
  connect(max: number): Db;
  /** A superuser. */
  admin: postgres.Sql;
  accounts: string[];
};

const settings = [
  "server_version",
  "fsync",
  "synchronous_commit",
  "full_page_writes",
  "shared_buffers",
  "max_wal_size",
];

/**
 * A PostgreSQL of the bench's own in a temporary folder. Its settings are those of `npm start`: it
 * answers a commit when the disk has it.
 */
export async function startBenchCluster(): Promise<BenchCluster> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-bench-"));
  const cluster = await startCluster({ dir, fsync: true });
  const passwords = {
    ducat_app: randomBytes(24).toString("base64url"),
    ducat_worker: randomBytes(24).toString("base64url"),
  };
  const pools: { end(options: { timeout: number }): Promise<void> }[] = [];
  const keep = <T extends (typeof pools)[number]>(pool: T): T => {
    pools.push(pool);
    return pool;
  };
  const root = keep(postgres(cluster.url, { max: 1, onnotice: () => {} }));
  return {
    async createDatabase(name, fill) {
      await root`CREATE DATABASE ${root(name)}`;
      const url = (login: Login) =>
        login === "postgres"
          ? changeUrl(cluster.url, { database: name })
          : changeUrl(cluster.url, { database: name, login, password: passwords[login] });
      await migrate({ url: url("postgres"), passwords });
      await seedStyles(url("postgres"));
      await migrateQueue(url("postgres"), { role: "ducat_queue" });
      const admin = keep(postgres(url("postgres"), { max: 1, onnotice: () => {} }));
      await fillDatabase(admin, fill);
      if (!fill.alone) await makeBareTables(admin);
      await admin.unsafe("VACUUM (FREEZE, ANALYZE)");
      await admin.unsafe("CHECKPOINT");
      const found = await admin<
        { id: string }[]
      >`SELECT account_id AS id FROM ducat.credit_accounts`;
      return {
        url,
        admin,
        accounts: found.map(({ id }) => id),
        connect: (max) => keep(connectDatabase({ url: url("ducat_app"), role: "ducat_app", max })),
      };
    },
    async readSettings() {
      const rows = await root<{ name: string; value: string }[]>`
        SELECT name, current_setting(name) AS value FROM unnest(${settings}::text[]) AS name`;
      return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
    },
    async close() {
      await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
      await cluster.stop("immediate");
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function changeUrl(url: string, change: { database: string; login?: string; password?: string }) {
  const changed = new URL(url);
  changed.pathname = `/${change.database}`;
  if (change.login !== undefined) changed.username = change.login;
  if (change.password !== undefined) changed.password = change.password;
  return changed.href;
}
