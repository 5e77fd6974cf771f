import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect } from "vitest";
import { buildClient } from "../../../infra/build/build-client.ts";

const run = promisify(execFile);
const home = resolve(import.meta.dirname, "..");
const tsc = resolve(home, "node_modules/typescript/bin/tsc");

/** As strict as anybody's project may be; our own declarations are checked as well. */
const strict = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  module: "nodenext",
  target: "es2022",
  outDir: "out",
  rootDir: ".",
};

/** Where the globals come from. */
export const places = {
  node: { lib: ["es2023"], types: ["node"] },
  browser: { lib: ["es2022", "dom"], types: [] },
};

export type PackageFolder = {
  dir: string;
  /** The examples of the README, by the name in their first line. */
  examples: string[];
  /** Rejects with what TypeScript finds. Writes JavaScript into `out`. */
  compile(files: string[], place: keyof typeof places): Promise<void>;
  /** What a module of `out` prints. */
  start(file: string, env: Record<string, string>): Promise<string>;
  close(): Promise<void>;
};

/**
 * Somebody's empty project with the built package in it, and the examples of its README. `npm`: put
 * there by npm itself, from the file that would be uploaded.
 */
export async function makePackageFolder({ npm = false } = {}): Promise<PackageFolder> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-sdk-"));
  const modules = join(dir, "node_modules");
  await writeFile(join(dir, "package.json"), '{ "type": "module" }');
  const built = await buildClient(home, join(dir, "built"));
  if (npm) {
    await installByNpm(dir, built);
  } else {
    await mkdir(join(modules, "@ducat"), { recursive: true });
    await rename(built, join(modules, "@ducat/sdk"));
  }
  await mkdir(join(modules, "@types"));
  const types = resolve(home, "node_modules/@types/node");
  await symlink(types, join(modules, "@types/node"), "junction");
  return {
    dir,
    examples: await writeExamples(dir),
    async compile(files, place) {
      const config = { compilerOptions: { ...strict, ...places[place] }, files };
      await writeFile(join(dir, "tsconfig.json"), JSON.stringify(config));
      await run(process.execPath, [tsc, "-p", dir]).catch((error) => {
        throw new Error(error.stdout, { cause: error });
      });
    },
    async start(file, env) {
      const options = { cwd: dir, env: { PATH: process.env.PATH, ...env } };
      return (await run(process.execPath, [join("out", file)], options)).stdout;
    },
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

async function installByNpm(dir: string, built: string): Promise<void> {
  const options = { cwd: dir, shell: process.platform === "win32" };
  const packed = await run("npm", ["pack", built, "--silent"], options);
  const file = `./${packed.stdout.trim()}`;
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", file], options);
}

async function writeExamples(dir: string): Promise<string[]> {
  const text = await readFile(join(home, "README.md"), "utf8");
  const blocks = [...text.matchAll(/^```ts\n\/\/ ([\w-]+)\.ts\n([\s\S]*?)^```$/gm)];
  expect(blocks).toHaveLength(text.split("```ts").length - 1);
  for (const [, name, code = ""] of blocks) await writeFile(join(dir, `${name}.ts`), code);
  return blocks.map(([, name = ""]) => name);
}
