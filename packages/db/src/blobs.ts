import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import { withAccount } from "./with-account.ts";

/** An upload; it expires. */
export type BlobRow = {
  id: string;
  key: string;
  sha256: string;
  type: string;
  size: number;
  width: number | null;
  height: number | null;
  expires_at: Date;
};

/** One of the gallery stays. */
export type FoundUpload = Omit<BlobRow, "expires_at"> & { expires_at: Date | null };

/** Records an uploaded file (which is stored already) as the account's. */
export async function insertUpload(
  db: Db,
  accountId: string,
  blob: Omit<BlobRow, "id" | "expires_at"> & { lifetimeSeconds: number },
): Promise<BlobRow> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<BlobRow[]>`
      INSERT INTO ducat.blobs (account_id, key, sha256, type, size, width, height, purpose,
        expires_at)
      VALUES (${accountId}, ${blob.key}, ${blob.sha256}, ${blob.type}, ${blob.size},
        ${blob.width}, ${blob.height}, 'input',
        clock_timestamp() + make_interval(secs => ${blob.lifetimeSeconds}))
      RETURNING id, key, sha256, type, size, width, height, expires_at`,
  );
  if (!row) throw new Error("insert returned no row");
  return row;
}

/**
 * A picture of this account to start from, by the id of an upload that has not expired, or that is
 * in the gallery, or by the id of an image of the gallery; undefined when there is none.
 */
export async function findUpload(
  db: Db,
  accountId: string,
  id: string,
): Promise<FoundUpload | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<FoundUpload[]>`
      SELECT id, key, sha256, type, size, width, height, expires_at FROM ducat.blobs
      WHERE account_id = ${accountId} AND id = coalesce((
          SELECT blob_id FROM ducat.images WHERE account_id = ${accountId} AND id = ${id}), ${id})
        AND (purpose = 'gallery' OR purpose = 'input' AND expires_at > clock_timestamp())`,
  );
  return row;
}

/**
 * Which of these keys no row refers to. Keys of accounts that are not in this database are left
 * out: they tell of a worker that was pointed at the wrong one. So are files that are not ours at
 * all. For workers: sees every account.
 */
export async function findOrphanKeys(db: Db, keys: string[]): Promise<string[]> {
  const rows = await ask(db<{ key: string }[]>`
    SELECT key FROM unnest(${keys}::text[]) AS stored (key)
    WHERE NOT EXISTS (SELECT FROM ducat.blobs b WHERE b.key = stored.key)
      AND EXISTS (SELECT FROM ducat.accounts a WHERE a.id = CASE
        WHEN stored.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/'
          THEN split_part(stored.key, '/', 1)::uuid END)`);
  return rows.map((row) => row.key);
}

/**
 * Removes the rows of expired uploads, `limit` at most; returns the keys of their files. One that
 * an item has still to start from stays until then: a batch may wait for longer than it lives.
 */
export async function deleteExpiredUploads(db: Db, limit: number): Promise<string[]> {
  const rows = await ask(db<{ key: string }[]>`
    WITH needed AS MATERIALIZED (
      SELECT DISTINCT coalesce(i.input ->> 'photo_key', g.input ->> 'photo_key') AS key
      FROM ducat.generation_items i
      JOIN ducat.generations g ON g.account_id = i.account_id AND g.id = i.generation_id
      WHERE i.status IN ('pending', 'processing'))
    DELETE FROM ducat.blobs WHERE (account_id, id) IN (
      SELECT account_id, id FROM ducat.blobs b WHERE expires_at <= clock_timestamp()
        AND NOT EXISTS (SELECT FROM needed n WHERE n.key = b.key)
      ORDER BY expires_at LIMIT ${limit})
      -- Again: one that was kept for good just now has been waited for.
      AND expires_at <= clock_timestamp()
    RETURNING key`);
  return rows.map((row) => row.key);
}
