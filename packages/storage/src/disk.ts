import { createHash, randomUUID } from "node:crypto";
import { mkdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { isBlobKey, isBlobPrefix } from "./blob-key.ts";
import { type BlobEntry, type Blobs, maxBlobBytes, type StoredBlob } from "./blobs.ts";
import {
  isMissing,
  openIfThere,
  sizeOf,
  syncFolders,
  unlessMissing,
  walkFiles,
  writeDurably,
} from "./disk-files.ts";

const putTries = 3;

/**
 * Blobs as files: `<dir>/blobs/<key>`, written first to `<dir>/tmp`, which is on the same file
 * system so that the rename is atomic. Errors of the system calls (ENOSPC, EIO, …) are thrown.
 */
export function createDiskBlobs(options: { dir: string; maxBytes?: number }): Blobs {
  const dir = resolve(options.dir);
  const root = join(dir, "blobs");
  const tmp = join(dir, "tmp");
  const maxBytes = options.maxBytes ?? maxBlobBytes;

  function pathOf(key: string): string {
    if (!isBlobKey(key)) throw new Error("This is not a blob key.");
    return inside(key);
  }

  /** The pattern already rules out every escape; this is the second lock. */
  function inside(key: string): string {
    const path = resolve(root, key);
    if (!path.startsWith(root + sep)) throw new Error("This key leaves the folder.");
    return path;
  }

  async function put(key: string, bytes: Uint8Array): Promise<StoredBlob> {
    const path = pathOf(key);
    if (bytes.byteLength > maxBytes) throw new Error(`A blob has at most ${maxBytes} bytes.`);
    await mkdir(tmp, { recursive: true });
    const draft = join(tmp, `${randomUUID()}.tmp`);
    try {
      await writeDurably(draft, bytes);
      await moveIntoPlace(draft, path);
    } catch (error) {
      await rm(draft, { force: true }).catch(() => {});
      throw error;
    }
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { key, size: bytes.byteLength, sha256 };
  }

  async function moveIntoPlace(draft: string, path: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      await mkdir(dirname(path), { recursive: true });
      try {
        await rename(draft, path);
        // A new folder is only safe once its own entry is on disk. Another put may have made it
        // a moment ago, so all of them are synced; one that is clean costs next to nothing.
        await syncFolders(dirname(path), dir);
        return;
      } catch (error) {
        // A remove in parallel may prune the folder just made; then make it again.
        if (!isMissing(error) || attempt === putTries) throw error;
      }
    }
  }

  async function read(key: string): ReturnType<Blobs["read"]> {
    const file = await openIfThere(pathOf(key));
    if (!file) return undefined;
    const size = await sizeOf(file);
    return { stream: file.createReadStream({ highWaterMark: 256 * 1024 }), size };
  }

  async function readBytes(key: string, limit: number): Promise<Buffer | undefined> {
    const file = await openIfThere(pathOf(key));
    if (!file) return undefined;
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

  async function has(key: string): Promise<boolean> {
    const found = await unlessMissing(stat(pathOf(key)));
    return found?.isFile() ?? false;
  }

  async function remove(key: string): Promise<void> {
    const path = pathOf(key);
    await unlessMissing(unlink(path));
    await pruneEmpty(dirname(path));
  }

  async function removePrefix(prefix: string): Promise<number> {
    if (!isBlobPrefix(prefix)) throw new Error("This is not a prefix of blob keys.");
    const folder = inside(prefix);
    let removed = 0;
    for await (const { path } of walkFiles(folder)) {
      await unlessMissing(unlink(path));
      removed += 1;
    }
    await rm(folder, { recursive: true, force: true });
    await pruneEmpty(dirname(folder));
    return removed;
  }

  /** Each item leaves two folders behind; unpruned they would eat the inodes. */
  async function pruneEmpty(folder: string): Promise<void> {
    for (let at = folder; at.startsWith(root + sep); at = dirname(at)) {
      try {
        await rmdir(at);
      } catch {
        return; // not empty, gone already, or not ours to judge: the blob is removed either way
      }
    }
  }

  async function* listOlderThan(date: Date): AsyncIterable<BlobEntry> {
    for await (const { path, size, modifiedAt } of walkFiles(root)) {
      const key = path.slice(root.length + 1).replaceAll(sep, "/");
      if (modifiedAt < date && isBlobKey(key)) yield { key, size, modifiedAt };
    }
  }

  async function removeLeftovers(olderThan: Date): Promise<number> {
    let removed = 0;
    for await (const { path, modifiedAt } of walkFiles(tmp)) {
      if (modifiedAt >= olderThan || !path.endsWith(".tmp")) continue;
      await unlessMissing(unlink(path));
      removed += 1;
    }
    return removed;
  }

  return { put, read, readBytes, has, remove, removePrefix, listOlderThan, removeLeftovers };
}
