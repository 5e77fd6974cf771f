import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAlbum } from "../../../packages/db/src/albums.ts";
import { insertUpload } from "../../../packages/db/src/blobs.ts";
import { eraseAccount } from "../../../packages/db/src/erasures.ts";
import { saveImage } from "../../../packages/db/src/images.ts";
import { completeItem } from "../../../packages/db/src/items.ts";
import { readSchema } from "../../../packages/db/src/snapshot.ts";
import { cloneDatabase, type TestDatabase } from "../../../packages/db/test/clone.ts";
import { makeAccount, makeGeneration } from "../../../packages/db/test/factories.ts";
import { claim, complete } from "../../../packages/db/test/work.ts";
import {
  inputKey,
  outputKey,
  resultThumbnailKey,
  thumbnailKey,
} from "../../../packages/storage/src/blob-key.ts";
import type { Blobs } from "../../../packages/storage/src/blobs.ts";
import { createDiskBlobs } from "../../../packages/storage/src/disk.ts";
import { createSnapshot, type Snapshot } from "../check.ts";
import { type Examination, examine, type Report } from "../examine.ts";
import { fillBook } from "./book.ts";

export type Stage = {
  database: TestDatabase;
  blobs: Blobs;
  /** Where the files are. */
  dir: string;
  /** Has two live grants, a text just made, one that waits, and a picture in an album. */
  person: string;
  erased: string;
  /** Has credits to spend. */
  busy: string;
  /** The doctor's own way, or by `snapshot`. */
  look(more?: Partial<Examination>): Promise<Report>;
  snapshot: Snapshot;
  asWorker: Snapshot;
  close(): Promise<void>;
};

const audit = { actor: "test", request_id: "request-1", ip: null };

/** A small database with a bit of everything, its files, and nothing wrong. */
export async function makeStage(): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-doctor-"));
  const database = await cloneDatabase();
  const blobs = createDiskBlobs({ dir });
  const schema = await readSchema(database.admin);
  await fillBook(database.admin, { accounts: 3, lines: 20 });
  const person = await makePerson(database, blobs);
  const { id: erased } = await makeAccount(database.app, 5);
  await eraseAccount(database.app, erased, { isConfirmed: true, audit });
  const { id: busy } = await makeAccount(database.app, 100_000);
  const role = "ducat_owner";
  const snapshot = createSnapshot({ db: database.admin, role });
  const asWorker = createSnapshot({ db: database.admin, role: "ducat_worker" });
  const look = (more: Partial<Examination> = {}) =>
    examine({
      ...{ snapshot, role, blobs, deep: false, limitMs: 60_000, now: Date.now },
      readExpectedSchema: async () => schema,
      ...more,
    });
  const close = async () => {
    await database.close();
    await rm(dir, { recursive: true, force: true });
  };
  const ids = { person, erased, busy };
  return { ...ids, database, blobs, dir, look, snapshot, asWorker, close };
}

const shape = { type: "image/webp", width: 4, height: 3 };

async function makePerson({ app, worker }: TestDatabase, blobs: Blobs): Promise<string> {
  const { id } = await makeAccount(app, 20);
  await complete(worker, await claim(worker, id, await makeGeneration(app, id)));
  const item = await claim(worker, id, await makeGeneration(app, id, { unitCost: 0 }));
  const at = { accountId: id, itemId: item.item_id, attempt: 1 } as const;
  const key = outputKey({ ...at, sha256: "ab".repeat(32), extension: "webp" });
  const picture = await blobs.put(key, Buffer.from("picture"));
  const resultsOwn = await blobs.put(
    resultThumbnailKey({ ...at, sha256: "ab".repeat(32) }),
    Buffer.from("small"),
  );
  const thumbnail = { ...shape, ...resultsOwn };
  const output = { kind: "image" as const, ...shape, ...picture, thumbnail };
  await completeItem(worker, item, { output, usage: {} });
  const album = await createAlbum(app, id, {
    name: "Gardens",
    description: null,
    is_public: false,
  });
  const small = await blobs.put(thumbnailKey(id, randomUUID()), Buffer.from("small"));
  await saveImage(app, id, {
    source: { itemId: item.item_id },
    details: { album_id: album.id },
    thumbnail: { ...shape, ...small },
  });
  const upload = await blobs.put(inputKey(id, randomUUID()), Buffer.from("upload"));
  await insertUpload(app, id, { ...shape, ...upload, lifetimeSeconds: 3_600 });
  await makeGeneration(app, id);
  return id;
}
