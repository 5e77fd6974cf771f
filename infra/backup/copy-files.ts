import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, link, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

/** A file of a backup, by its path in there. */
export type Listed = { path: string; size: number; sha256: string };

const COPIES_AT_ONCE = 16;

/** The paths of all files below a folder, relative to it; none when there is no such folder. */
export async function listFiles(folder: string): Promise<string[]> {
  const entries = await unlessGone(readdir(folder, { recursive: true, withFileTypes: true }));
  const files = (entries ?? []).filter((entry) => entry.isFile());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
}

/** Undefined where the file or folder is not there, or no longer. */
export async function unlessGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Does something for each of many, a few at a time. */
async function forEach<T>(list: T[], run: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let at = next++; at < list.length; at = next++) await run(list[at] as T);
  };
  await Promise.all(Array.from({ length: COPIES_AT_ONCE }, work));
}

type Copy = { from: string; to: string; paths: string[] };

/**
 * Copies files, keeping their paths. One that vanishes meanwhile is left out, as a table that is
 * dropped or a picture that is deleted.
 */
export async function copyFiles({ from, to, paths }: Copy): Promise<void> {
  await makeFolders(to, paths);
  await forEach(paths, (path) => unlessGone(copyFile(join(from, path), join(to, path))));
}

/** The same for files that never change: those of `former` become links, not second copies. */
export async function linkOrCopyFiles(copy: Copy & { former: string | undefined }): Promise<void> {
  const { from, to, paths, former } = copy;
  await makeFolders(to, paths);
  await forEach(paths, async (path) => {
    const target = join(to, path);
    if ((await unlessGone(lstat(target))) !== undefined) return;
    const isLinked = former !== undefined && (await tryLink(join(former, path), target));
    if (!isLinked) await unlessGone(copyFile(join(from, path), target));
  });
}

/** False where it is not there, or the file system has no links. */
const tryLink = (from: string, to: string) =>
  link(from, to).then(
    () => true,
    () => false,
  );

async function makeFolders(to: string, paths: string[]): Promise<void> {
  const folders = new Set(paths.map((path) => dirname(join(to, path))));
  await mkdir(to, { recursive: true });
  for (const folder of [...folders].sort()) await mkdir(folder, { recursive: true });
}

/** Size and sha256 of each file, as a list that verifyFiles reads. */
export async function digestFiles(folder: string, paths: string[]): Promise<Listed[]> {
  const listed: Listed[] = [];
  await forEach(paths, async (path) => {
    const hash = createHash("sha256");
    let size = 0;
    await pipeline(createReadStream(join(folder, path)), async function* (chunks) {
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        size += chunk.length;
        hash.update(chunk);
        yield;
      }
    });
    listed.push({ path, size, sha256: hash.digest("hex") });
  });
  return listed.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The paths of files that are missing or not what the list says. */
export async function findDamaged(folder: string, listed: Listed[]): Promise<string[]> {
  const damaged: string[] = [];
  await forEach(listed, async ({ path, size, sha256 }) => {
    const [found] = (await unlessGone(digestFiles(folder, [path]))) ?? [];
    if (found?.size !== size || found.sha256 !== sha256) damaged.push(path);
  });
  return damaged.sort();
}
