import { createHash, randomUUID } from "node:crypto";
import { lstat, mkdir, rename, rm, rmdir, unlink } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { isBlobKey, isBlobPrefix } from "./blob-key.ts";
import { type BlobEntry, type Blobs, maxBlobBytes, type StoredBlob } from "./blobs.ts";
import {
  isMissing,
  openIfThere,
  readWhole,
  sizeOf,
  syncFolders,
  unlessMissing,
  walkFiles,
  writeDurably,
} from "./disk-files.ts";

const putTries = 3;
const streamChunkBytes = 256 * 1024;

type Folders = { dir: string; root: string; tmp: string };

/**
 * Blobs as files: `<dir>/blobs/<key>`, written first to `<dir>/tmp`, which is on the same file
 * system so that the rename is atomic. Errors of the system calls (ENOSPC, EIO, …) are thrown.
 */
export function createDiskBlobs(options: { dir: string; maxBytes?: number }): Blobs {
  const { maxBytes = maxBlobBytes } = options;
  const dir = resolve(options.dir);
  const folders: Folders = { dir, root: join(dir, "blobs"), tmp: join(dir, "tmp") };
  return {
    async put(key, bytes) {
      const path = pathOf(folders, key);
      if (bytes.byteLength > maxBytes) throw new Error(`A blob has at most ${maxBytes} bytes.`);
      return await put(folders, { key, path, bytes });
    },
    async read(key) {
      const file = await openIfThere(pathOf(folders, key));
      if (!file) return undefined;
      const size = await sizeOf(file);
      return { stream: file.createReadStream({ highWaterMark: streamChunkBytes }), size };
    },
    async readBytes(key, limit) {
      const file = await openIfThere(pathOf(folders, key));
      return file && (await readWhole(file, limit));
    },
    async has(key) {
      const found = await unlessMissing(lstat(pathOf(folders, key)));
      return found?.isFile() ?? false;
    },
    async remove(key) {
      const path = pathOf(folders, key);
      await unlessMissing(unlink(path));
      await pruneEmpty(folders, dirname(path));
    },
    removePrefix: (prefix) => removePrefix(folders, prefix),
    list: (after) => list(folders, after),
    listOlderThan: (date) => listOlderThan(folders, date),
    removeLeftovers: (olderThan) => removeLeftovers(folders, olderThan),
  };
}

function pathOf(folders: Folders, key: string): string {
  if (!isBlobKey(key)) throw new Error("This is not a blob key.");
  return inside(folders, key);
}

/** The pattern already rules out every escape; this is the second lock. */
function inside({ root }: Folders, key: string): string {
  const path = resolve(root, key);
  if (!path.startsWith(root + sep)) throw new Error("This key leaves the folder.");
  return path;
}

type Write = { key: string; path: string; bytes: Uint8Array };

async function put(folders: Folders, { key, path, bytes }: Write): Promise<StoredBlob> {
  await mkdir(folders.tmp, { recursive: true });
  const draft = join(folders.tmp, `${randomUUID()}.tmp`);
  try {
    await writeDurably(draft, bytes);
    await moveIntoPlace(folders, draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { key, size: bytes.byteLength, sha256 };
}

async function moveIntoPlace(folders: Folders, draft: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await mkdir(dirname(path), { recursive: true });
    try {
      await rename(draft, path);
      // A new folder is only safe once its own entry is on disk. Another put may have made it
      // a moment ago, so all of them are synced; one that is clean costs next to nothing.
      await syncFolders(dirname(path), folders.dir);
      return;
    } catch (error) {
      // A remove in parallel may prune the folder just made; then make it again.
      if (!isMissing(error) || attempt === putTries) throw error;
    }
  }
}

async function removePrefix(folders: Folders, prefix: string): Promise<number> {
  if (!isBlobPrefix(prefix)) throw new Error("This is not a prefix of blob keys.");
  const folder = inside(folders, prefix);
  let removed = 0;
  for await (const { path } of walkFiles(folder)) {
    await unlessMissing(unlink(path));
    removed += 1;
  }
  await rm(folder, { recursive: true, force: true });
  await pruneEmpty(folders, dirname(folder));
  return removed;
}

/** Each item leaves two folders behind; unpruned they would eat the inodes. */
async function pruneEmpty({ root }: Folders, folder: string): Promise<void> {
  for (let at = folder; at.startsWith(root + sep); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return; // not empty, gone already, or not ours to judge: the blob is removed either way
    }
  }
}

async function* list(folders: Folders, after?: string): AsyncIterable<BlobEntry> {
  const { root } = folders;
  if (after !== undefined) pathOf(folders, after);
  for await (const { path, size, modifiedAt } of walkFiles(root, after?.split("/"))) {
    const key = path.slice(root.length + 1).replaceAll(sep, "/");
    if (isBlobKey(key)) yield { key, size, modifiedAt };
  }
}

async function* listOlderThan(folders: Folders, date: Date): AsyncIterable<BlobEntry> {
  for await (const entry of list(folders)) if (entry.modifiedAt < date) yield entry;
}

async function removeLeftovers({ tmp }: Folders, olderThan: Date): Promise<number> {
  let removed = 0;
  for await (const { path, modifiedAt } of walkFiles(tmp)) {
    if (modifiedAt >= olderThan || !path.endsWith(".tmp")) continue;
    await unlessMissing(unlink(path));
    removed += 1;
  }
  return removed;
}
