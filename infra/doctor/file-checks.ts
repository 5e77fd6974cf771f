import { createHash } from "node:crypto";
import type { AccountRange } from "../../packages/db/src/invariants.ts";
import type { BlobEntry, Blobs } from "../../packages/storage/src/blobs.ts";
import { type Finding, most, type Row, type Snapshot } from "./check.ts";

const atOnce = 8;
const page = 500;
/** Files without a row are removed within a day and six hours; before, they may be on their way. */
const graceMs = 48 * 3_600_000;

type BlobRow = { account_id: string; id: string; key: string; sha256: string; size: number };

export type FileDeps = {
  snapshot: Snapshot;
  blobs: Blobs;
  /** Reads each file whole and compares its sha256. */
  deep: boolean;
  /** What is left of the time, for one step; throws when there is none. */
  stepMs(): number;
};

export const missingFiles = {
  check: "I11",
  title: "every file that a row names is there, and is the one that was stored",
};
export const strayFiles = {
  check: "I11",
  title: "every stored file has its row and that row's size, or is young",
};

/** The rows of a range of accounts whose file is gone, or with `deep` another than was stored. */
export async function findMissingFiles(deps: FileDeps, range: AccountRange): Promise<Finding> {
  const broken: Row[] = [];
  let after = { account_id: range.from, id: range.from };
  for (let isMore = true; isMore && broken.length < most; ) {
    const rows = await listBlobRows(deps, range, after);
    for (let from = 0; from < rows.length && broken.length < most; from += atOnce) {
      deps.stepMs();
      broken.push(...(await judgeAll(deps, rows.slice(from, from + atOnce))));
    }
    after = rows.at(-1) ?? after;
    isMore = rows.length === page;
  }
  return { ...missingFiles, rows: await stillThere(deps, broken.slice(0, most)) };
}

type Place = { account_id: string; id: string };

function listBlobRows(deps: FileDeps, { to }: AccountRange, after: Place): Promise<BlobRow[]> {
  return deps.snapshot(deps.stepMs(), async (tx) => [
    ...(await tx<BlobRow[]>`
      SELECT account_id, id, key, sha256, size FROM ducat.blobs
      WHERE (account_id, id) > (${after.account_id}::uuid, ${after.id}::uuid)
        AND account_id <= ${to}
      ORDER BY account_id, id LIMIT ${page}`),
  ]);
}

async function judgeAll(deps: FileDeps, rows: BlobRow[]): Promise<Row[]> {
  const faults = await Promise.all(rows.map((row) => judge(deps, row)));
  return rows.flatMap(({ account_id, id, key }, at) =>
    faults[at] === undefined ? [] : [{ account_id, id, key, fault: faults[at] }],
  );
}

/** What is wrong with a row's file; undefined when nothing is. */
async function judge({ blobs, deep }: FileDeps, row: BlobRow): Promise<string | undefined> {
  if (!deep) return (await blobs.has(row.key)) ? undefined : "is not there";
  const found = await blobs.read(row.key);
  if (!found) return "is not there";
  const hash = createHash("sha256");
  try {
    for await (const chunk of found.stream) hash.update(chunk as Buffer);
  } catch (error) {
    return `can't be read: ${(error as Error).message}`;
  }
  if (found.size !== row.size) return `has ${found.size} bytes, not ${row.size}`;
  return hash.digest("hex") === row.sha256 ? undefined : "has another sha256";
}

/** Rows go before their files: what is gone by now was on its way out. */
async function stillThere(deps: FileDeps, rows: Row[]): Promise<Row[]> {
  if (rows.length === 0) return rows;
  const keys = rows.map(({ key }) => String(key));
  const found = await deps.snapshot(
    deps.stepMs(),
    (tx) => tx<{ key: string }[]>`SELECT key FROM ducat.blobs WHERE key = ANY (${keys})`,
  );
  const kept = new Set(found.map(({ key }) => key));
  return rows.filter(({ key }) => kept.has(String(key)));
}

/** Stored files that no row knows although they are not young, and those of another size. */
export async function findStrayFiles(deps: FileDeps, now: number): Promise<Finding> {
  const rows: Row[] = [];
  let batch: BlobEntry[] = [];
  const compare = async () => {
    rows.push(...(await compareEntries(deps, batch, now)));
    batch = [];
  };
  for await (const entry of deps.blobs.listOlderThan(new Date(now + graceMs))) {
    batch.push(entry);
    if (batch.length === page) await compare();
    if (rows.length >= most) break;
  }
  await compare();
  return { ...strayFiles, rows: rows.slice(0, most) };
}

async function compareEntries(deps: FileDeps, entries: BlobEntry[], now: number): Promise<Row[]> {
  if (entries.length === 0) return [];
  const keys = entries.map(({ key }) => key);
  const known = await deps.snapshot(
    deps.stepMs(),
    (tx) => tx<{ key: string; size: number }[]>`
      SELECT key, size FROM ducat.blobs WHERE key = ANY (${keys})`,
  );
  const sizes = new Map(known.map(({ key, size }) => [key, size]));
  return entries.flatMap(({ key, size, modifiedAt }): Row[] => {
    const expected = sizes.get(key);
    if (expected === size) return [];
    if (expected !== undefined) return [{ key, fault: `has ${size} bytes, not ${expected}` }];
    if (modifiedAt.getTime() > now - graceMs) return [];
    return [{ key, fault: "has no row", modified_at: modifiedAt.toISOString() }];
  });
}
