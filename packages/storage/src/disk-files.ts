import { constants } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Windows has no O_NOFOLLOW and can't fsync a folder; its rename is still atomic. */
const readFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
const canSyncFolders = process.platform !== "win32";

export type File = Awaited<ReturnType<typeof open>>;

/** Write a new file and have it on the disk when this returns. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Sync `from` and each folder above it up to and including `to`. */
export async function syncFolders(from: string, to: string): Promise<void> {
  if (!canSyncFolders) return;
  for (let at = from; ; at = dirname(at)) {
    const folder = await open(at, constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    if (at.length <= to.length) return;
  }
}

/** The file opened for reading, without following a link; undefined when there is none. */
export async function openIfThere(path: string): Promise<File | undefined> {
  return await unlessMissing(open(path, readFlags));
}

/** The size of an open file; closes it and throws when it is no plain file. */
export async function sizeOf(file: File): Promise<number> {
  const found = await file.stat();
  if (found.isFile()) return found.size;
  await file.close();
  throw new Error("The blob is not a file.");
}

/** The whole of an open file, which is closed; an Error when it has more bytes than the limit. */
export async function readWhole(file: File, limit: number): Promise<Buffer> {
  try {
    const size = await sizeOf(file);
    if (size > limit) throw new Error(`The blob has more than ${limit} bytes.`);
    const bytes = Buffer.alloc(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0) throw new Error("The blob is shorter than its size.");
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}

type WalkedFile = { path: string; size: number; modifiedAt: Date };

/**
 * Plain files below a folder, by their names; links are not followed, and what vanishes meanwhile
 * is skipped. `after`: the names of the path, from the folder on, behind which to begin.
 */
export async function* walkFiles(
  folder: string,
  [first, ...rest]: string[] = [],
): AsyncIterable<WalkedFile> {
  const names = await unlessMissing(readdir(folder));
  for (const name of names?.sort() ?? []) {
    if (first !== undefined && name < first) continue;
    const path = join(folder, name);
    const found = await unlessMissing(lstat(path));
    if (found?.isDirectory()) yield* walkFiles(path, name === first ? rest : []);
    if (!found?.isFile() || name === first) continue;
    yield { path, size: found.size, modifiedAt: found.mtime };
  }
}

/** The result, or undefined when the file or a folder above it is not there. */
export async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether a system call failed because the path is not there. */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}
