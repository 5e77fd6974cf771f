import { existsSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { type Cluster, startCluster } from "./cluster.ts";
import type { Environment } from "./environment.ts";
import type { Lock } from "./lock.ts";
import { DATA_NAME } from "./place.ts";
import { loadSecrets, type Secrets } from "./secrets.ts";

/** The database of the apps in the embedded cluster. */
export const DATABASE = "ducat";

/** The database to migrate and run on, and what the apps need to know about it. */
export interface Database {
  adminUrl: string;
  /** Logins of the apps; the same one for both on a database that was given. */
  appUrl: string;
  workerUrl: string;
  passwords: Secrets["passwords"] | undefined;
  rootKey: string;
  /** Undefined only in live mode, where the API asks for it. */
  secretKeys: string | undefined;
  /** Undefined for a database that was given. */
  cluster: Cluster | undefined;
}

/** Starts the embedded PostgreSQL, or takes the database of DATABASE_URL as it is. */
export async function openDatabase(
  environment: Environment,
  lock: Lock,
  onExit: (reason: string) => void,
): Promise<Database> {
  const { databaseUrl } = environment;
  if (databaseUrl !== undefined) return takeGiven(environment, databaseUrl);
  const { dataDir, mode = "test", archiveDir } = environment;
  const hasData = existsSync(join(dataDir, DATA_NAME));
  const secrets = await loadSecrets(dataDir, { mode, hasData });
  const cluster = await startCluster({ dir: dataDir, lock, archiveDir, onExit });
  try {
    await createDatabase(cluster.url);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  const { passwords } = secrets;
  return {
    adminUrl: changeUrl(cluster.url, { database: DATABASE }),
    appUrl: changeUrl(cluster.url, {
      database: DATABASE,
      username: "ducat_app",
      password: passwords.ducat_app,
    }),
    workerUrl: changeUrl(cluster.url, {
      database: DATABASE,
      username: "ducat_worker",
      password: passwords.ducat_worker,
    }),
    passwords,
    rootKey: environment.rootKey ?? secrets.rootKey,
    secretKeys: environment.secretKeys ?? secrets.secretKeys,
    cluster,
  };
}

async function takeGiven(environment: Environment, url: string): Promise<Database> {
  const { dataDir, directDatabaseUrl, mode, rootKey = "", secretKeys } = environment;
  const made = mode === "live" ? undefined : await loadSecrets(dataDir, { mode: "test" });
  return {
    adminUrl: directDatabaseUrl ?? url,
    appUrl: url,
    workerUrl: url,
    passwords: undefined,
    rootKey,
    secretKeys: secretKeys ?? made?.secretKeys,
    cluster: undefined,
  };
}

async function createDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const found = await sql`SELECT FROM pg_database WHERE datname = ${DATABASE}`;
    if (found.length === 0) await sql`CREATE DATABASE ${sql(DATABASE)}`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function changeUrl(
  url: string,
  change: { database: string; username?: string; password?: string },
): string {
  const changed = new URL(url);
  changed.pathname = `/${change.database}`;
  if (change.username !== undefined) changed.username = change.username;
  if (change.password !== undefined) changed.password = change.password;
  return changed.href;
}
