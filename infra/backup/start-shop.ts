import { join, resolve } from "node:path";
import postgres from "postgres";
import { migrateAll } from "../db/migrate-all.ts";
import { type AppProcess, startApp } from "../dev/app-process.ts";
import { openDatabase } from "../dev/database.ts";
import { readEnvironment } from "../dev/environment.ts";
import { takeLock } from "../dev/lock.ts";
import { findFreePort } from "../dev/ports.ts";
import { waitUntil } from "../dev/processes.ts";

const root = resolve(import.meta.dirname, "../..");
const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 40_000;
const ARCHIVE_LIMIT_MS = 30_000;

/** A deployment as `npm start` runs it, and a customer's doings on it. */
export type Shop = {
  adminUrl: string;
  openAccount(name: string): Promise<void>;
  hasAccount(name: string): Promise<boolean>;
  /** Has a picture drawn; throws when that does not complete. */
  generate(name: string, key: string): Promise<void>;
  /** Balance, ledger and generations, and that each result can be fetched. */
  read(name: string): Promise<unknown>;
  /** The database's time. */
  readTime(): Promise<Date>;
  /** Waits until all that was written so far is in the archive. */
  archiveLog(): Promise<void>;
  /** SIGKILL to everything. */
  crash(): Promise<void>;
  stop(): Promise<void>;
};

type Generation = { id: string; status: string; items: { output: { url: string } | null }[] };

/** Starts database, API and worker on a folder. Throws when they do not become ready. */
export async function startShop(options: { dataDir: string; archiveDir: string }): Promise<Shop> {
  const { dataDir, archiveDir } = options;
  const port = await findFreePort();
  const given = { DATA_DIR: dataDir, WAL_ARCHIVE_DIR: archiveDir, PORT: String(port) };
  const environment = readEnvironment(given, root);
  const lock = await takeLock(dataDir);
  const database = await openDatabase(environment, lock, () => {});
  const { adminUrl, passwords, rootKey, secretKeys } = database;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  const apps: AppProcess[] = [];
  const lines: string[] = [];
  const end = async (endApp: (app: AppProcess) => Promise<void>, crashes: boolean) => {
    await Promise.all(apps.map(endApp));
    await sql.end({ timeout: crashes ? 0 : 5 });
    await (crashes ? database.cluster?.kill() : database.cluster?.stop());
    await lock.release();
  };
  const stop = () => end((app) => app.stop(STOP_LIMIT_MS), false);
  try {
    await migrateAll({ adminUrl, passwords, catalog: undefined, mode: "test", log: () => {} });
    const env = {
      ...{ PATH: process.env.PATH, PORT: String(port), HOST: "127.0.0.1", DATA_DIR: dataDir },
      ...{ DUCAT_MODE: "test", LOG_LEVEL: "warn", ROOT_KEY: rootKey, SECRET_KEYS: secretKeys },
    };
    for (const [name, url] of [
      ["api", database.appUrl],
      ["worker", database.workerUrl],
    ] as const) {
      const entry = join(root, "apps", name, "src/main.ts");
      const write = (line: string) => void lines.push(line);
      apps.push(startApp({ name, entry, env: { ...env, DATABASE_URL: url }, write }));
    }
    const isReady = async () =>
      (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok ?? false;
    if (!(await waitUntil(isReady, READY_LIMIT_MS))) throw new Error(lines.join("\n"));
  } catch (error) {
    await stop();
    throw error;
  }
  const kill = async (app: AppProcess) => {
    app.kill();
    await app.ended;
  };
  return {
    adminUrl,
    ...createCustomer(`http://127.0.0.1:${port}`, rootKey),
    async readTime() {
      const [row] = await sql<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
      return row?.now ?? new Date();
    },
    archiveLog: () => archiveLog(sql),
    crash: () => end(kill, true),
    stop,
  };
}

function createCustomer(url: string, rootKey: string) {
  const headers = { authorization: `Bearer ${rootKey}`, "content-type": "application/json" };
  const ask = async (
    path: string,
    init: { account?: string; key?: string; body?: object } = {},
  ) => {
    const { account, key, body } = init;
    const response = await fetch(`${url}${path}`, {
      method: body ? "POST" : "GET",
      headers: {
        ...headers,
        ...(account && { "ducat-account": account }),
        ...(key && { "idempotency-key": key, prefer: "wait=30" }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };
  const list = async (path: string, account: string) => {
    const { body } = await ask(path, { account });
    return (body as { data: unknown[] }).data;
  };
  return {
    async openAccount(name: string) {
      const account = { external_id: name, kind: "user" };
      const { id } = (await ask("/v1/accounts", { body: account })).body as { id: string };
      const body = { amount: 100, reason: "drill" };
      await ask(`/v1/admin/accounts/${id}/credits`, { key: `credits-${name}`, body });
    },
    async hasAccount(account: string) {
      return (await ask("/v1/credits/balance", { account })).status === 200;
    },
    async generate(account: string, key: string) {
      const [style] = (await list("/v1/styles", account)) as { id: string }[];
      const input = { type: "text", prompt: key };
      const { body } = await ask("/v1/generations", {
        ...{ account, key, body: { style: style?.id, input } },
      });
      const { status } = body as Generation;
      if (status !== "completed") throw new Error(`A generation ended so: ${JSON.stringify(body)}`);
    },
    async read(account: string) {
      const generations = (await list("/v1/generations", account)) as Generation[];
      const files = generations.flatMap(({ items }) => items.map((item) => item.output?.url ?? ""));
      const fetched = await Promise.all(files.map((file) => fetch(file)));
      return {
        balance: (await ask("/v1/credits/balance", { account })).body,
        entries: await list("/v1/credits/transactions", account),
        generations: generations.map(({ id, status }) => ({ id, status })),
        files: fetched.map((file) => file.status),
      };
    },
  };
}

async function archiveLog(sql: postgres.Sql): Promise<void> {
  const [row] = await sql<{ wal: string }[]>`SELECT pg_walfile_name(pg_switch_wal()) AS wal`;
  const isArchived = async () => {
    const [archiver] = await sql<{ last: string | null }[]>`
      SELECT last_archived_wal AS last FROM pg_stat_archiver`;
    return (archiver?.last ?? "") >= (row?.wal ?? "");
  };
  if (!(await waitUntil(isArchived, ARCHIVE_LIMIT_MS))) throw new Error("Nothing is archived.");
}
