import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bundle } from "./bundle.ts";

const START_LIMIT_MS = 20_000;
const root = resolve(import.meta.dirname, "../..");
const made: string[] = [];

afterAll(() => Promise.all(made.map((path) => rm(path, { recursive: true }))));

/** A folder inside the package, because what stays outside a bundle is looked up from there. */
async function makeOutDir(directory: string): Promise<string> {
  await mkdir(join(root, directory, "dist"), { recursive: true });
  const path = await mkdtemp(join(root, directory, "dist/test-"));
  made.push(path);
  return path;
}

/** Runs a bundle as a server would: plain Node, no workspace, and no variable but `PATH`. */
function run(file: string, cwd: string): Promise<{ code: number; output: string }> {
  return new Promise((settle) => {
    const env = { PATH: process.env.PATH };
    execFile(process.execPath, [file], { cwd, env, timeout: START_LIMIT_MS }, (error, out, err) => {
      settle({ code: error === null ? 0 : Number(error.code), output: `${out}${err}` });
    });
  });
}

describe.each(["apps/api", "apps/worker"])("the bundle of %s", (directory) => {
  it("loads everything it needs and refuses an empty environment in clear words", async () => {
    const outDir = await makeOutDir(directory);
    const file = await bundle(join(root, directory, "src/main.ts"), outDir);
    const { code, output } = await run(file, outDir);
    expect(output).toContain("DATABASE_URL");
    expect(output).not.toMatch(/Cannot find|is not defined|Dynamic require|\n {4}at /);
    expect(code).toBe(1);
  }, 60_000);
});
