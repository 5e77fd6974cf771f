import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { inject } from "vitest";
import { bundle } from "../build/bundle.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Names this run: its bundles lie in folders of this name. */
    run: string;
  }
}

/**
 * What `node <result>` runs as `node --import tsx <entry>` does, made once a run: a process that
 * need not translate its source starts in a quarter of the time. It is also what production runs.
 */
export async function bundleEntry(entry: string): Promise<string> {
  const folder = join(bundlesOf(findPackage(entry)), inject("run"));
  const made = join(folder, `${basename(entry, ".ts")}.js`);
  if (existsSync(made)) return made;
  // Another worker of vitest may do the same: whoever is last puts the same file there.
  const own = join(folder, randomUUID());
  await rename(await bundle(entry, own), made);
  await rm(own, { recursive: true });
  return made;
}

/** Within node_modules, so that what stays outside of bundles is found from there. */
export const bundlesOf = (folder: string): string => join(folder, "node_modules/.ducat-test");

function findPackage(path: string): string {
  const folder = dirname(path);
  return existsSync(join(folder, "package.json")) ? folder : findPackage(folder);
}
