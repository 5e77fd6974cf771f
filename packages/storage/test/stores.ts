import { mkdtemp, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Blobs } from "../src/blobs.ts";
import { createDiskBlobs } from "../src/disk.ts";
import { createS3Blobs } from "../src/s3.ts";
import { startS3 } from "./s3-server.ts";

/** A store of some kind, empty, and what only its keeper can do. */
export type Kept = {
  blobs: Blobs;
  /** Makes a blob as old as that. */
  age(key: string, at: Date): Promise<void>;
  close(): Promise<void>;
};

type Open = (options?: { maxBytes?: number }) => Promise<Kept>;

/** Every kind of store that there is, for suites that all of them pass. */
export const stores: { name: string; open: Open }[] = [
  { name: "disk", open: openDisk },
  { name: "S3", open: (options) => openS3("", options) },
  { name: "S3 below a prefix", open: (options) => openS3("shop/files/", options) },
];

async function openDisk(options: { maxBytes?: number } = {}): Promise<Kept> {
  const dir = await mkdtemp(join(tmpdir(), "blobs-"));
  return {
    blobs: createDiskBlobs({ dir, ...options }),
    age: (key, at) => utimes(join(dir, "blobs", key), at, at),
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

async function openS3(prefix: string, options: { maxBytes?: number } = {}): Promise<Kept> {
  const server = await startS3();
  return {
    blobs: createS3Blobs({ ...server.options, prefix, ...options }),
    age: (key, at) => server.age(prefix + key, at),
    close: server.close,
  };
}
