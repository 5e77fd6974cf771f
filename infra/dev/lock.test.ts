import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { takeLock } from "./lock.ts";
import { killHard, makeScratch, runScript } from "./test/scratch.ts";

it("refuses while another process holds the lock, and names it", async () => {
  const dir = await makeScratch();
  const { child } = await runScript("hold-lock.ts", dir);
  await expect(takeLock(dir)).rejects.toThrow(`in use by process ${child.pid}`);
});

it("takes over the lock of a process that was killed", async () => {
  const dir = await makeScratch();
  const { child } = await runScript("hold-lock.ts", dir);
  await killHard(child);
  const lock = await takeLock(dir);
  await lock.release();
  expect(await readdir(dir)).toEqual([]);
});

it("takes over the lock when another process has the pid of its holder", async () => {
  const dir = await makeScratch();
  const stale = JSON.stringify({ pid: process.ppid, started: "before the last boot" });
  await writeFile(join(dir, "ducat.lock"), stale);
  await expect(takeLock(dir)).resolves.toMatchObject({ dir });
});

it("takes over a lock that says nothing", async () => {
  const dir = await makeScratch();
  await writeFile(join(dir, "ducat.lock"), "");
  await expect(takeLock(dir)).resolves.toMatchObject({ dir });
});

it("lets exactly one of many win", async () => {
  const dir = await makeScratch();
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => takeLock(dir)));
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});
