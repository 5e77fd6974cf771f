import type { Readable } from "node:stream";
import type { Disposition } from "./signed-url.ts";

export type StoredBlob = { key: string; size: number; sha256: string };
export type BlobEntry = { key: string; size: number; modifiedAt: Date };

/** How a blob is to be shown, and until when; see file-headers.ts. */
export type LinkWish = {
  disposition: Disposition;
  filename?: string;
  method: "GET" | "HEAD";
  expiresAt: Date;
};
export type Link = { url: string; expiresAt: Date };

/** Written blobs are at most this long, in bytes; a store may be made with a lower limit. */
export const maxBlobBytes = 64 * 1024 * 1024;

/**
 * Where the bytes live. Keys as in blob-key.ts; any other key is refused with an Error before
 * the store is touched. Everything else that goes wrong (a full disk, a lost bucket) surfaces as
 * a plain Error too, and what passes by itself (a store out of reach) as `unavailable`: for the
 * worker both mean "try again later". No call lasts for ever.
 */
export type Blobs = {
  /**
   * Store the bytes; when this returns they survive a power cut and are visible whole. A repeat
   * with the same key replaces the blob in one step and makes it young again, so a collector that
   * runs between the blob and its row leaves it alone.
   */
  put(key: string, bytes: Uint8Array): Promise<StoredBlob>;
  /**
   * The blob as a stream and its size in bytes; undefined when there is none. The stream holds a
   * file or a connection open until it is read to its end or destroyed.
   */
  read(key: string): Promise<{ stream: Readable; size: number } | undefined>;
  /** The blob in memory; undefined when there is none, an Error when it is over maxBytes. */
  readBytes(key: string, maxBytes: number): Promise<Buffer | undefined>;
  has(key: string): Promise<boolean>;
  /** Remove the blob. Removing what is not there is fine. */
  remove(key: string): Promise<void>;
  /** Remove every blob under `<account>/` or a deeper folder, and answer how many there were. */
  removePrefix(prefix: string): Promise<number>;
  /**
   * Every blob, in an order that stays: behind this key where one is given, which need not be there
   * any more.
   */
  list(after?: string): AsyncIterable<BlobEntry>;
  /** Every blob last written before the date: the candidates of the orphan collector. */
  listOlderThan(date: Date): AsyncIterable<BlobEntry>;
  /** Remove half-written files begun before the date, and answer how many there were. */
  removeLeftovers(olderThan: Date): Promise<number>;
  /**
   * A URL of the store's own that opens the blob, for a few minutes and never beyond what was
   * wished, with our content type. Absent where only we can serve the blobs. Whether the blob is
   * there is not looked at.
   */
  link?(key: string, wish: LinkWish): Promise<Link>;
};
