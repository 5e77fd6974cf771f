import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadSecrets } from "./secrets.ts";
import { makeScratch } from "./test/scratch.ts";

const fresh = { mode: "test", hasData: false } as const;
const used = { mode: "test", hasData: true } as const;

it("makes secrets once, for the owner's eyes only", async () => {
  const dir = await makeScratch();
  const first = await loadSecrets(dir, fresh);
  expect(first.rootKey).toMatch(/^dk_test_root_[A-Za-z0-9_-]{43}$/);
  expect((await stat(join(dir, "secrets.json"))).mode & 0o777).toBe(0o600);
  expect(await loadSecrets(dir, used)).toEqual(first);
});

it("does not make new secrets over existing data", async () => {
  await expect(loadSecrets(await makeScratch(), used)).rejects.toThrow(/is missing, but/);
});

it.each(["", "{", "{}", '{"rootKey":"short","secretKeys":"short","passwords":{}}'])(
  "refuses the damaged file %j and leaves it as it is",
  async (text) => {
    const dir = await makeScratch();
    await writeFile(join(dir, "secrets.json"), text);
    await expect(loadSecrets(dir, fresh)).rejects.toThrow(/damaged/);
    expect(await readFile(join(dir, "secrets.json"), "utf8")).toBe(text);
  },
);

it("keeps the keys of the two modes apart", async () => {
  const dir = await makeScratch();
  await loadSecrets(dir, fresh);
  await expect(loadSecrets(dir, { mode: "live" })).rejects.toThrow(/keeps its mode/);
});

it("gives the same secrets to all that ask at once", async () => {
  const dir = await makeScratch();
  const results = await Promise.all([1, 2, 3, 4].map(() => loadSecrets(dir, fresh)));
  expect(new Set(results.map(({ rootKey }) => rootKey)).size).toBe(1);
});
