import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type Attempts, attempt, withinTime } from "./attempts.ts";
import { isBlobKey, isBlobPrefix, typeOfKey } from "./blob-key.ts";
import { type BlobEntry, type Blobs, maxBlobBytes, type StoredBlob } from "./blobs.ts";
import { checkStream } from "./checked-stream.ts";
import { ask, isMissing, isPassing } from "./s3-errors.ts";
import { createS3Linker } from "./s3-links.ts";

const removedAtOnce = 16;
const bytesPerMs = 256;
/** Blobs never change under their key; whoever may see one may keep it. */
const cacheControl = "private, max-age=3600, immutable";

export type S3Options = {
  bucket: string;
  region: string;
  /** Unset: AWS's own of the region. */
  endpoint?: string | undefined;
  /** Where browsers reach the same store; the endpoint unless it is said. */
  publicEndpoint?: string | undefined;
  /** Unset: what the AWS SDK finds, as the role of the machine. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** The bucket in the path, and not in the name of the host. */
  forcePathStyle?: boolean;
  /** What all keys begin with, so that a bucket can be shared. */
  prefix?: string;
  maxBytes?: number;
  /** How long one attempt may last, but for the time that the bytes themselves take. */
  timeoutMs?: number;
  tries?: number;
  pauseMs?: number;
  /** How many keys are listed at once; a thousand is the most that S3 gives. */
  pageKeys?: number;
  /** Milliseconds. */
  now?: () => number;
};

type Store = {
  client: S3Client;
  bucket: string;
  prefix: string;
  pageKeys: number;
  attempts: Attempts;
};

/**
 * Blobs in a bucket of any store that speaks S3: `<prefix><key>`, with their sha256 as metadata,
 * which every read is compared with. A PUT is all or nothing, so nothing half-written is left.
 */
export function createS3Blobs(options: S3Options): Blobs {
  const { bucket, prefix = "", maxBytes = maxBlobBytes } = options;
  const { tries = 3, timeoutMs = 5_000, pauseMs = 200, pageKeys = 1_000 } = options;
  const client = createClient(options, options.endpoint);
  const attempts = { tries, timeoutMs, pauseMs, isPassing };
  const store = { client, bucket, prefix, pageKeys, attempts };
  const linker = createClient(options, options.publicEndpoint ?? options.endpoint);
  const link = createS3Linker({ client: linker, bucket, prefix, cacheControl, now: options.now });
  return {
    async put(key, bytes) {
      checkKey(key);
      if (bytes.byteLength > maxBytes) throw new Error(`A blob has at most ${maxBytes} bytes.`);
      return await put(store, key, bytes);
    },
    async read(key) {
      checkKey(key);
      return await orMissing(attempt(attempts, (signal) => open(store, key, signal)));
    },
    async readBytes(key, limit) {
      checkKey(key);
      return await orMissing(readBytes(store, key, Math.min(limit, maxBytes)));
    },
    async has(key) {
      checkKey(key);
      const command = new HeadObjectCommand(place(store, key));
      const look = (abortSignal: AbortSignal) => ask(client.send(command, { abortSignal }));
      return (await orMissing(attempt(attempts, look))) !== undefined;
    },
    async remove(key) {
      checkKey(key);
      await remove(store, key);
    },
    async removePrefix(folder) {
      if (!isBlobPrefix(folder)) throw new Error("This is not a prefix of blob keys.");
      let removed = 0;
      for await (const entries of listPages(store, folder)) {
        await removeAll(store, entries);
        removed += entries.length;
      }
      return removed;
    },
    list: (after) => list(store, after),
    listOlderThan: (date) => listOlderThan(store, date),
    removeLeftovers: async () => 0,
    async link(key, wish) {
      checkKey(key);
      // Signing asks nobody, but the keys themselves may come from the machine's role.
      return await attempt(attempts, () => ask(link(key, wish)));
    },
  };
}

function createClient(options: S3Options, endpoint: string | undefined): S3Client {
  const { region, credentials, forcePathStyle = false } = options;
  return new S3Client({
    region,
    forcePathStyle,
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    // Attempts are ours: theirs end with the headers and leave a body that stops unseen.
    maxAttempts: 1,
    // Stores beside AWS's know Content-MD5, and not all of them the newer checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

function checkKey(key: string): void {
  if (!isBlobKey(key)) throw new Error("This is not a blob key.");
}

const place = ({ bucket, prefix }: Store, key: string) => ({ Bucket: bucket, Key: prefix + key });

/** What bytes add to the time of an attempt. */
const patient = ({ attempts }: Store, bytes: number): Attempts => ({
  ...attempts,
  timeoutMs: attempts.timeoutMs + Math.ceil(bytes / bytesPerMs),
});

async function orMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Written again when the answer is lost: the same key with the same bytes is the same write. */
async function put(store: Store, key: string, bytes: Uint8Array): Promise<StoredBlob> {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const command = new PutObjectCommand({
    ...place(store, key),
    Body: bytes,
    ContentType: typeOfKey(key),
    // The store itself refuses what did not arrive as it was sent.
    ContentMD5: createHash("md5").update(bytes).digest("base64"),
    CacheControl: cacheControl,
    Metadata: { sha256 },
  });
  await attempt(patient(store, bytes.byteLength), (abortSignal) =>
    ask(store.client.send(command, { abortSignal })),
  );
  return { key, size: bytes.byteLength, sha256 };
}

type Opened = { stream: Readable; size: number };

async function open(store: Store, key: string, abortSignal: AbortSignal): Promise<Opened> {
  const command = new GetObjectCommand(place(store, key));
  const answer = await ask(store.client.send(command, { abortSignal }));
  const body = answer.Body as Readable | undefined;
  const size = answer.ContentLength;
  if (!body || size === undefined) throw new Error("The answer has no body of a known size.");
  if (abortSignal.aborted) body.destroy();
  const expected = { size, sha256: answer.Metadata?.sha256 };
  return { stream: checkStream(body, expected, store.attempts.timeoutMs), size };
}

async function readBytes(store: Store, key: string, limit: number): Promise<Buffer> {
  const bytes = await attempt(patient(store, limit), async (signal) => {
    const { stream, size } = await withinTime(store.attempts.timeoutMs, (s) => open(store, key, s));
    signal.addEventListener("abort", () => stream.destroy());
    if (size <= limit) return await buffer(stream);
    stream.destroy();
    return undefined;
  });
  if (!bytes) throw new Error(`The blob has more than ${limit} bytes.`);
  return bytes;
}

async function remove(store: Store, key: string): Promise<void> {
  const command = new DeleteObjectCommand(place(store, key));
  const send = (abortSignal: AbortSignal) => ask(store.client.send(command, { abortSignal }));
  await orMissing(attempt(store.attempts, send));
}

/** One by one: not every store has the call for many, nor the checksum that it wants. */
async function removeAll(store: Store, entries: BlobEntry[]): Promise<void> {
  for (let from = 0; from < entries.length; from += removedAtOnce) {
    const some = entries.slice(from, from + removedAtOnce);
    const ended = await Promise.allSettled(some.map(({ key }) => remove(store, key)));
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  }
}

async function* list(store: Store, after?: string): AsyncIterable<BlobEntry> {
  if (after !== undefined) checkKey(after);
  for await (const entries of listPages(store, "", after)) yield* entries;
}

async function* listOlderThan(store: Store, date: Date): AsyncIterable<BlobEntry> {
  for await (const entries of listPages(store, "")) {
    yield* entries.filter(({ modifiedAt }) => modifiedAt < date);
  }
}

/** The keys of ours below a folder, a thousand at a time; behind one, where it is given. */
async function* listPages(
  store: Store,
  folder: string,
  after?: string,
): AsyncIterable<BlobEntry[]> {
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: store.bucket,
      Prefix: store.prefix + folder,
      MaxKeys: store.pageKeys,
      ...(after !== undefined && { StartAfter: store.prefix + after }),
      ...(token !== undefined && { ContinuationToken: token }),
    });
    const send = (abortSignal: AbortSignal) => ask(store.client.send(command, { abortSignal }));
    const page = await attempt(store.attempts, send);
    yield (page.Contents ?? []).flatMap(({ Key = "", Size = 0, LastModified }) => {
      const key = Key.slice(store.prefix.length);
      // One without a date is never old.
      return isBlobKey(key) && LastModified ? [{ key, size: Size, modifiedAt: LastModified }] : [];
    });
    const next = page.IsTruncated ? page.NextContinuationToken : undefined;
    if (next !== undefined && next === token) throw new Error("The store lists without an end.");
    token = next;
  } while (token !== undefined);
}
