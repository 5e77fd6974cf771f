/**
 * Builds the client for other people's projects into `dist/`, a package of its own: JavaScript of
 * one module for each way in, declarations that name nothing but each other, no dependencies.
 * `tsx ../../infra/build/build-client.ts`, called in its directory; then `npm pack ./dist`.
 */
import { execFile } from "node:child_process";
import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "../..");
/** By the name that is behind the package's. */
const entries = {
  ".": "ducat",
  "./errors": "errors",
  "./types": "types",
  "./webhooks": "webhooks",
};

/** Writes the package; rejects when its types don't hold. Returns where it is. */
export async function buildClient(directory: string, outDir: string): Promise<string> {
  await rm(outDir, { recursive: true, force: true });
  await build({
    absWorkingDir: directory,
    entryPoints: Object.values(entries).map((name) => `src/${name}.ts`),
    outdir: outDir,
    bundle: true,
    // One class of errors for all ways in.
    splitting: true,
    platform: "neutral",
    target: "es2022",
    format: "esm",
    logLevel: "warning",
  });
  await writeDeclarations(directory, outDir);
  await writeManifest(directory, outDir);
  await copyFile(join(directory, "README.md"), join(outDir, "README.md"));
  await copyFile(join(root, "LICENSE"), join(outDir, "LICENSE"));
  return outDir;
}

async function writeDeclarations(directory: string, outDir: string): Promise<void> {
  const tsc = createRequire(import.meta.url).resolve("typescript/package.json");
  const project = ["-p", join(directory, "tsconfig.build.json"), "--outDir", outDir];
  const run = promisify(execFile);
  await run(process.execPath, [join(tsc, "../bin/tsc"), ...project]).catch((error) => {
    throw new Error(`tsc: ${error.stdout}`, { cause: error });
  });
  // tsc leaves our names of files as they are.
  for (const name of await readdir(outDir)) {
    if (!name.endsWith(".d.ts")) continue;
    const text = await readFile(join(outDir, name), "utf8");
    await writeFile(join(outDir, name), text.replace(/(["'])(\.\/[\w-]+)\.ts\1/g, "$1$2.js$1"));
  }
}

async function writeManifest(directory: string, outDir: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
  const { name, version, description, license } = manifest;
  const exported = Object.entries(entries).map(([path, file]) => {
    return [path, { types: `./${file}.d.ts`, default: `./${file}.js` }];
  });
  const published = {
    ...{ name, version, description, license, type: "module", sideEffects: false },
    engines: { node: ">=20" },
    exports: Object.fromEntries(exported),
  };
  await writeFile(join(outDir, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(`built ${await buildClient(process.cwd(), resolve("dist"))}`);
}
