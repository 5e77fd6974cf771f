import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { findExtra, findRedisServer, requirePart } from "./parts.ts";
import { makeScratch } from "./test/scratch.ts";

afterEach(() => void vi.unstubAllEnvs());

async function makePath(part?: string): Promise<string> {
  const dir = join(await makeScratch(), "bin");
  await mkdir(dir);
  if (part !== undefined) await writeFile(join(dir, part), "", { mode: 0o755 });
  vi.stubEnv("PATH", dir);
  return dir;
}

it("finds a program on PATH", async () => {
  const dir = await makePath("redis-server");
  expect(findRedisServer()).toBe(join(dir, "redis-server"));
});

it("notes the suite that cannot run", async () => {
  const list = join(await makePath(), "missing");
  vi.stubEnv("CI", "").stubEnv("DUCAT_MISSING_PARTS", list);
  expect(requirePart("redis-server", "the queue on Redis")).toBeUndefined();
  expect(await readFile(list, "utf8")).toBe(
    "the queue on Redis: not run, redis-server is not on PATH\n",
  );
});

it("fails under CI=true instead", async () => {
  await makePath();
  vi.stubEnv("CI", "true");
  expect(() => requirePart("chromium", "the page")).toThrow(/CI=true runs every suite/);
});

it("notes a program that suites can do without, under CI=true too", async () => {
  const dir = await makePath("javac");
  const list = join(dir, "missing");
  vi.stubEnv("CI", "true").stubEnv("DUCAT_MISSING_PARTS", list);
  expect(findExtra("javac", "a client in Java")).toBe(join(dir, "javac"));
  expect(findExtra("go", "a client in Go")).toBeUndefined();
  expect(await readFile(list, "utf8")).toBe("a client in Go: not run, go is not on PATH\n");
});
