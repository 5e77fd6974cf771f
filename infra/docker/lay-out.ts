/**
 * Lays out what an image holds: `tsx infra/docker/lay-out.ts <folder>`. Bundles of the apps and of
 * the commands that operators need beside them, the files that these read, and the few packages
 * that stay outside of bundles. Nothing of the workspace, no package manager, no sources.
 */
import { cp, mkdir, readFile, realpath } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle, external } from "../build/bundle.ts";

const root = resolve(import.meta.dirname, "../..");

const apps = ["api", "worker"];

/** Each becomes tools/bin/<name>.js. */
const tools: Record<string, string> = {
  migrate: "infra/db/migrate.ts",
  status: "infra/db/status.ts",
  catalog: "infra/catalog/push.ts",
  reconcile: "infra/payments/reconcile.ts",
  doctor: "infra/doctor/main.ts",
};

/** From the checkout to where the bundles look: beside and above themselves. */
const files: Record<string, string> = {
  "packages/db/drizzle": "tools/drizzle",
  "packages/db/sql": "tools/sql",
  "packages/db/seed": "tools/seed",
  "packages/db/schema.snapshot.txt": "tools/schema.snapshot.txt",
  catalogs: "catalogs",
  "infra/docker/check-health.mjs": "check-health.mjs",
  LICENSE: "LICENSE",
};

/** Fills the folder, which is made if missing. */
export async function layOut(target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const bundles = [
    ...apps.map((app) =>
      bundle(join(root, "apps", app, "src/main.ts"), join(target, "apps", app, "dist")),
    ),
    ...Object.entries(tools).map(([name, entry]) =>
      bundle(join(root, entry), join(target, "tools/bin"), name),
    ),
  ];
  await Promise.all(bundles);
  for (const [from, to] of Object.entries(files)) {
    await cp(join(root, from), join(target, to), { recursive: true });
  }
  for (const app of apps) await copyExternals(join(root, "apps", app), target);
}

type Manifest = { dependencies?: object; optionalDependencies?: object; version: string };

const readManifest = async (folder: string) =>
  JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest;

/** What an app's bundle asks node_modules for, with all that those packages need themselves. */
async function copyExternals(app: string, target: string): Promise<void> {
  const { dependencies = {} } = await readManifest(app);
  const wanted = Object.keys(dependencies).filter((name) => external.includes(name));
  const copied = new Map<string, string>();
  for (const name of wanted) await copyPackage(name, app, { target, copied });
}

async function copyPackage(
  name: string,
  from: string,
  state: { target: string; copied: Map<string, string> },
): Promise<void> {
  const folder = await findPackage(name, from);
  // Binaries of other platforms are not installed.
  if (folder === undefined) return;
  const { version, dependencies, optionalDependencies } = await readManifest(folder);
  const known = state.copied.get(name);
  if (known === version) return;
  if (known !== undefined) throw new Error(`${name} is needed as ${known} and as ${version}.`);
  state.copied.set(name, version);
  await cp(folder, join(state.target, "node_modules", name), {
    recursive: true,
    dereference: true,
    filter: (path) => path === folder || !path.startsWith(join(folder, "node_modules")),
  });
  for (const inner of Object.keys({ ...dependencies, ...optionalDependencies })) {
    await copyPackage(inner, folder, state);
  }
}

/** By walking up, since a package need not export its package.json. */
async function findPackage(name: string, from: string): Promise<string | undefined> {
  const start = await realpath(from);
  for (const folder of createRequire(join(start, "package.json")).resolve.paths(name) ?? []) {
    const path = await realpath(join(folder, name)).catch(() => undefined);
    if (path !== undefined) return path;
  }
  return undefined;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const target = process.argv[2];
  if (target === undefined) throw new Error("Say where: tsx infra/docker/lay-out.ts <folder>");
  await layOut(resolve(target));
  console.log(`laid out ${resolve(target)}`);
}
