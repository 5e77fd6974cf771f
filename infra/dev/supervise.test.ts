import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { startCluster } from "./cluster.ts";
import { findFreePort } from "./ports.ts";
import { waitUntil } from "./processes.ts";
import { isRunning, killHard, makeScratch } from "./test/scratch.ts";

// Real processes, on machines that may be busy.
vi.setConfig({ testTimeout: 60_000 });

interface Ducat {
  child: ChildProcess;
  output(): string;
  pidOf(app: "api" | "worker"): number;
  /** Resolves when the output matches each of them. */
  says(...patterns: RegExp[]): Promise<void>;
  /** Resolves to the exit code. */
  end: Promise<number | null>;
}

function startDucat(dir: string, port: number, env: Record<string, string> = {}): Ducat {
  const script = new URL("./test/hold-ducat.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--import", "tsx", script, dir, String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
    // Nothing from outside: a DATABASE_URL of the developer is not meant.
    env: { ...env, PATH: process.env.PATH },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
  }
  return {
    child,
    output: () => text,
    pidOf: (app) => Number(new RegExp(`${app} +\\| info  pid (\\d+)`).exec(text)?.[1]),
    async says(...patterns) {
      const isSaid = () => patterns.every((pattern) => pattern.test(text));
      if (!(await waitUntil(isSaid, 40_000))) throw new Error(text);
    },
    end: once(child, "close").then(([code]) => code as number | null),
  };
}

const keyOf = (ducat: Ducat) => /Root key +(\S+)/.exec(ducat.output())?.[1];
const postmasterOf = async (dir: string) =>
  Number((await readFile(join(dir, "postgres/postmaster.pid"), "utf8")).split("\n")[0]);

it("stops API, worker, database in this order at a Ctrl-C that comes twice", async () => {
  const dir = await makeScratch();
  const ducat = startDucat(dir, await findFreePort());
  await ducat.says(/Ducat is ready/, /worker \| info/);
  const postmaster = await postmasterOf(dir);
  // The terminal sends it, and npm passes it on.
  ducat.child.kill("SIGINT");
  await ducat.says(/Stopping/);
  ducat.child.kill("SIGINT");
  expect(await ducat.end).toBe(0);
  expect(ducat.output()).toMatch(
    /SIGINT.*api +\| stopping.*worker \| stopping, the database still answers.*Stopped/s,
  );
  expect(await isRunning(postmaster)).toBe(false);
  expect(await readdir(dir)).toEqual(["postgres", "postgres.log", "secrets.json"]);
});

it("starts again after a SIGKILL with the same key, and nothing of the first lives", async () => {
  const dir = await makeScratch();
  const port = await findFreePort();
  const first = startDucat(dir, port);
  await first.says(/Ducat is ready/, /worker \| info/);
  const pids = [first.pidOf("api"), first.pidOf("worker"), await postmasterOf(dir)];
  await killHard(first.child);
  const second = startDucat(dir, port);
  await second.says(/Ducat is ready/);
  expect(keyOf(second)).toBe(keyOf(first));
  expect(await Promise.all(pids.map(isRunning))).toEqual([false, false, false]);
  second.child.kill("SIGTERM");
  expect(await second.end).toBe(0);
});

it("starts a worker that ended again, and gives up one that keeps ending", async () => {
  const dir = await makeScratch();
  const ducat = startDucat(dir, await findFreePort());
  await ducat.says(/Ducat is ready/);
  const postmaster = await postmasterOf(dir);
  const pids = () => [...ducat.output().matchAll(/worker +\| info {2}pid (\d+)/g)];
  for (let n = 1; n <= 6; n++) {
    expect(await waitUntil(() => pids().length >= n, 20_000)).toBe(true);
    process.kill(Number(pids().at(-1)?.[1]), "SIGKILL");
  }
  expect(await ducat.end).toBe(1);
  expect(ducat.output().match(/worker \| ended \(SIGKILL\), starting it again/g)).toHaveLength(5);
  expect(ducat.output()).toContain("The worker ended: SIGKILL");
  expect(await isRunning(ducat.pidOf("api"))).toBe(false);
  expect(await isRunning(postmaster)).toBe(false);
});

it("stops everything and fails when the database ends", async () => {
  const dir = await makeScratch();
  const ducat = startDucat(dir, await findFreePort());
  await ducat.says(/Ducat is ready/);
  process.kill(await postmasterOf(dir), "SIGKILL");
  expect(await ducat.end).toBe(1);
  expect(ducat.output()).toContain("PostgreSQL ended by itself (SIGKILL)");
  expect(await isRunning(ducat.pidOf("api"))).toBe(false);
});

it("can be interrupted at any moment of its start", async () => {
  const dir = await makeScratch();
  const ducat = startDucat(dir, await findFreePort());
  await waitUntil(async () => (await readdir(dir)).some((n) => n.startsWith("postgres")), 20_000);
  ducat.child.kill("SIGINT");
  expect(await ducat.end).toBe(0);
  const files = await readdir(dir);
  expect(files.filter((name) => name.includes(".init-") || name.includes("lock"))).toEqual([]);
});

it("runs on the database of DATABASE_URL, and starts none and shows no key", async () => {
  const dir = await makeScratch();
  const cluster = await startCluster({ dir: await makeScratch(), fsync: false });
  onTestFinished(() => cluster.stop("immediate"));
  const given = { DATABASE_URL: cluster.url, DUCAT_MODE: "test", ROOT_KEY: "k".repeat(32) };
  const ducat = startDucat(dir, await findFreePort(), given);
  await ducat.says(/Ducat is ready/, /worker \| info/);
  expect(ducat.output()).toContain("as given by ROOT_KEY");
  expect(ducat.output()).not.toContain(given.ROOT_KEY);
  ducat.child.kill("SIGTERM");
  expect(await ducat.end).toBe(0);
  expect(await readdir(dir)).toEqual(["secrets.json"]);
});
