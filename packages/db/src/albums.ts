import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import { withAccount } from "./with-account.ts";

export type AlbumDetails = { name: string; description: string | null; is_public: boolean };

export type Album = AlbumDetails & {
  id: string;
  image_count: number;
  created_at: Date;
  updated_at: Date;
};

/**
 * Makes an album.
 * Errors: already_exists (what: name), not_found, invalid_state (reason: erased, albums).
 */
export async function createAlbum(
  db: Db,
  accountId: string,
  album: Pick<AlbumDetails, "name"> & Partial<AlbumDetails>,
): Promise<Album> {
  const [row] = await ask(db<Album[]>`
    SELECT id, name, description, is_public, image_count, created_at, updated_at
    FROM ducat.create_album(${accountId}, ${JSON.stringify(album)}::text::jsonb)`);
  if (!row) throw new Error("create_album returned nothing");
  return row;
}

/**
 * Changes what is said of an album; null takes a description away.
 * Errors: not_found, already_exists (what: name), invalid_state (reason: erased).
 */
export async function updateAlbum(
  db: Db,
  accountId: string,
  {
    id,
    change,
  }: { id: string; change: { [D in keyof AlbumDetails]?: AlbumDetails[D] | undefined } },
): Promise<Album> {
  const [row] = await ask(db<Album[]>`
    SELECT id, name, description, is_public, image_count, created_at, updated_at
    FROM ducat.update_album(${accountId}, ${id}, ${JSON.stringify(change)}::text::jsonb)`);
  if (!row) throw new Error("update_album returned nothing");
  return row;
}

/** Deletes an album; its images stay. Errors: not_found, invalid_state (reason: erased). */
export async function deleteAlbum(db: Db, accountId: string, id: string): Promise<void> {
  await ask(db`SELECT FROM ducat.delete_album(${accountId}, ${id})`);
}

/** The account's album; undefined when there is none. */
export async function findAlbum(db: Db, accountId: string, id: string): Promise<Album | undefined> {
  const [found] = await listAlbums(db, accountId, { id, limit: 1 });
  return found;
}

type AlbumFilter = { id?: string | undefined; beforeId?: string | undefined; limit: number };

/** Albums, newest first, `limit` at most; `beforeId`: those that were made before this one. */
export function listAlbums(
  db: Db,
  accountId: string,
  { id, beforeId, limit }: AlbumFilter,
): Promise<Album[]> {
  return withAccount(
    db,
    accountId,
    (sql) => sql<Album[]>`
      SELECT id, name, description, is_public, image_count, created_at, updated_at
      FROM ducat.albums
      WHERE account_id = ${accountId}
        ${id ? sql`AND id = ${id}` : sql``} ${beforeId ? sql`AND id < ${beforeId}` : sql``}
      ORDER BY id DESC LIMIT ${limit}`,
  );
}

/** How many albums the account has. */
export async function countAlbums(db: Db, accountId: string): Promise<number> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ total: number }[]>`
      SELECT count(*) AS total FROM ducat.albums WHERE account_id = ${accountId}`,
  );
  return row?.total ?? 0;
}
