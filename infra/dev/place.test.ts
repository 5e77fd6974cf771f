import { chmod, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startCluster } from "./cluster.ts";
import { canEnter, findPlace } from "./place.ts";
import { makeScratch } from "./test/scratch.ts";

const isRoot = process.getuid?.() === 0;
const stranger = { uid: 54_321, gid: 54_321 };

it("sees whether a user can enter a folder", async () => {
  const dir = await makeScratch();
  const inner = join(dir, "inner");
  await mkdir(inner, { mode: 0o755 });
  expect(await canEnter(inner, stranger)).toBe(false);
  await chmod(dir, 0o711);
  expect(await canEnter(inner, stranger)).toBe(true);
  await chmod(inner, 0o750);
  expect(await canEnter(inner, stranger)).toBe(false);
});

it.runIf(isRoot)("as root, lets the server's group into a folder of our own", async () => {
  const dir = await makeScratch();
  const { parent, user } = await findPlace(dir);
  expect(parent).toBe(dir);
  expect(user?.uid).not.toBe(0);
  expect(await canEnter(dir, user ?? stranger)).toBe(true);
});

it.runIf(isRoot)("as root, leaves a folder with other files closed", async () => {
  const dir = await makeScratch();
  await writeFile(join(dir, "diary"), "");
  const { parent, user } = await findPlace(dir);
  expect(parent).not.toBe(dir);
  expect(await canEnter(dir, user ?? stranger)).toBe(false);
});

it.runIf(isRoot)("as root, finds data below a closed folder again by the link", async () => {
  const dir = join(await makeScratch(), "below");
  const first = await startCluster({ dir, fsync: false });
  onTestFinished(() => rm(first.dataDir, { recursive: true, force: true }));
  await first.stop();
  expect(first.dataDir.startsWith(dir)).toBe(false);
  expect(await readdir(dir)).toEqual(["postgres", "postgres.log"]);
  const second = await startCluster({ dir, fsync: false });
  await second.stop();
  expect(second.url).toBe(first.url);
});
