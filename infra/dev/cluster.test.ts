import { once } from "node:events";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import postgres from "postgres";
import { expect, it, onTestFinished } from "vitest";
import { type Cluster, type ClusterOptions, startCluster } from "./cluster.ts";
import { waitUntil } from "./processes.ts";
import { isRunning, killHard, makeScratch, runScript } from "./test/scratch.ts";

async function start(options: ClusterOptions): Promise<Cluster> {
  const cluster = await startCluster({ fsync: false, ...options });
  onTestFinished(() => cluster.stop("immediate"));
  return cluster;
}

async function ask<T extends object>(url: string, query: string): Promise<T[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await sql.unsafe<T[]>(query);
  } finally {
    await sql.end();
  }
}

it("makes a UTF-8 cluster that asks for the password and listens on 127.0.0.1 only", async () => {
  const cluster = await start({ dir: await makeScratch() });
  const [row] = await ask(
    cluster.url,
    `SELECT pg_encoding_to_char(encoding) AS encoding, lower('Ä') AS letter,
            current_setting('listen_addresses') AS addresses,
            current_setting('unix_socket_directories') AS sockets
       FROM pg_database WHERE datname = 'postgres'`,
  );
  expect(row).toEqual({ encoding: "UTF8", letter: "ä", addresses: "127.0.0.1", sockets: "" });
  const wrong = new URL(cluster.url);
  wrong.password = "wrong";
  await expect(ask(wrong.href, "SELECT 1")).rejects.toThrow("password authentication failed");
  expect((await stat(join(cluster.dataDir, "ducat.password"))).mode & 0o777).toBe(0o600);
});

it("deletes a half-written data folder and makes a whole one", async () => {
  const dir = await makeScratch();
  await mkdir(join(dir, "postgres.init-dead/data"), { recursive: true });
  await writeFile(join(dir, "postgres.init-dead/data/PG_VERSION"), "18\n");
  const cluster = await start({ dir });
  expect(await ask(cluster.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect((await readdir(dir)).filter((name) => name.includes(".init-"))).toEqual([]);
});

it("says what to do about a data folder that is not complete", async () => {
  const dir = await makeScratch();
  await mkdir(join(dir, "postgres"));
  await writeFile(join(dir, "postgres/PG_VERSION"), "18\n");
  await expect(startCluster({ dir })).rejects.toThrow(/not a complete data folder: move or delete/);
  expect(await readdir(dir)).toEqual(["postgres"]);
});

it("keeps data, password and port over a stop", async () => {
  const dir = await makeScratch();
  const first = await start({ dir });
  await ask(first.url, "CREATE TABLE kept AS SELECT 7 AS n");
  await first.stop();
  const second = await start({ dir });
  expect(second.url).toBe(first.url);
  expect(await ask(second.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
});

it("takes another port when the last one is taken", async () => {
  const dir = await makeScratch();
  const first = await start({ dir });
  await first.stop();
  const other = createServer().listen(first.port, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const second = await start({ dir });
  expect(second.port).not.toBe(first.port);
});

it("comes back on the same port with its data after a SIGKILL with sessions open", async () => {
  let reason = "";
  const dir = await makeScratch();
  const cluster = await start({ dir, fsync: true, onExit: (text) => (reason = text) });
  await ask(cluster.url, "CREATE TABLE kept AS SELECT 7 AS n");
  const busy = postgres(cluster.url, { max: 5, onnotice: () => {} });
  const waiting = Promise.allSettled([1, 2, 3].map(() => busy`SELECT pg_sleep(30)`));
  await waitUntil(async () => (await countSleepers(cluster.url)) === 3, 5_000);
  const { pid } = cluster;
  await cluster.kill();
  await cluster.restart();
  expect(cluster.pid).not.toBe(pid);
  expect(await ask(cluster.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
  expect(reason).toBe("");
  await waiting;
  await busy.end({ timeout: 1 });
});

const countSleepers = async (url: string) =>
  (await ask(url, "SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'")).length;

it("tells when the server ends by itself", async () => {
  const ended = new Promise<string>((resolve) => {
    void makeScratch()
      .then((dir) => start({ dir, onExit: resolve }))
      .then((cluster) => process.kill(cluster.pid, "SIGQUIT"));
  });
  expect(await ended).toMatch(/^PostgreSQL ended by itself/);
});

it("refuses a folder that a live process uses, and leaves that one alone", async () => {
  const dir = await makeScratch();
  const { child, said } = await runScript("hold-cluster.ts", dir);
  await expect(startCluster({ dir })).rejects.toThrow(`in use by process ${child.pid}`);
  expect(await isRunning(said.pid ?? 0)).toBe(true);
});

it("stops with the process that started it, even on SIGKILL", async () => {
  const { child, said } = await runScript("hold-cluster.ts", await makeScratch());
  await killHard(child);
  expect(await waitUntil(async () => !(await isRunning(said.pid ?? 0)), 5_000)).toBe(true);
});

it.runIf(process.platform === "linux")("stops a server left alone (needs /proc)", async () => {
  const dir = await makeScratch();
  const { child, said } = await runScript("hold-cluster.ts", dir);
  const orphan = said.pid ?? 0;
  // Without its guard the server outlives its parent.
  const listed = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  for (const pid of listed.trim().split(" ").map(Number)) {
    if ((await readFile(`/proc/${pid}/comm`, "utf8")) === "sh\n") process.kill(pid, "SIGKILL");
  }
  await killHard(child);
  expect(await isRunning(orphan)).toBe(true);
  const cluster = await start({ dir });
  expect(await isRunning(orphan)).toBe(false);
  expect(cluster.port).toBe(said.port);
  expect(await ask(cluster.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});
