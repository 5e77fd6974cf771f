import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { PictureFile } from "./outputs.ts";
import { type AccountSql, withAccount } from "./with-account.ts";

/** What an image is made of: an upload, or the picture that an item of a generation has made. */
export type ImageSource = { uploadId: string } | { itemId: string };

/** What an account says of an image. */
export type ImageDetails = {
  file_name: string | null;
  is_public: boolean;
  tags: string[];
  metadata: Record<string, unknown>;
  album_id: string | null;
};

/** A stored file that shows an image small. */
export type Thumbnail = PictureFile;

/** An image with the keys of its two files. */
export type Image = ImageDetails & {
  id: string;
  kind: "user" | "vendor" | "result";
  key: string;
  type: string;
  width: number;
  height: number;
  size: number;
  sha256: string;
  thumbnail_key: string;
  thumbnail_width: number;
  thumbnail_height: number;
  generation_id: string | null;
  item_id: string | null;
  created_at: Date;
  updated_at: Date;
};

const idsOf = (source: ImageSource) =>
  "itemId" in source ? ([null, source.itemId] as const) : ([source.uploadId, null] as const);

/** The small picture of what an item has made; undefined when there is none of it, or any more. */
export async function findResultThumbnail(
  db: Db,
  accountId: string,
  itemId: string,
): Promise<Thumbnail | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ thumbnail: Thumbnail | null }[]>`
      SELECT output -> 'thumbnail' AS thumbnail FROM ducat.generation_items
      WHERE account_id = ${accountId} AND id = ${itemId}`,
  );
  return row?.thumbnail ?? undefined;
}

/**
 * The key of the file that an image would be made of, and the image that it is already.
 * Errors: not_found (what: upload, item), invalid_state (status, or reason: text), quota_exceeded.
 */
export async function prepareImage(
  db: Db,
  accountId: string,
  source: ImageSource,
): Promise<{ key: string; image_id: string | null }> {
  const [uploadId, itemId] = idsOf(source);
  const [row] = await ask(db<{ key: string; image_id: string | null }[]>`
    SELECT * FROM ducat.prepare_image(${accountId}, ${uploadId}, ${itemId})`);
  if (!row) throw new Error("prepare_image returned nothing");
  return row;
}

/**
 * Keeps a picture in the gallery, once, and takes a place of the plan's for it; one that is there
 * already stays as it is, and the thumbnail was not used (`replayed`).
 * Errors: as prepareImage, and not_found (what: account, album), invalid_state (reason: erased).
 */
export async function saveImage(
  db: Db,
  accountId: string,
  image: { source: ImageSource; details: Partial<ImageDetails>; thumbnail: Thumbnail },
): Promise<{ id: string; replayed: boolean }> {
  const [uploadId, itemId] = idsOf(image.source);
  const [row] = await ask(db<{ id: string; replayed: boolean }[]>`
    SELECT * FROM ducat.save_image(${accountId}, ${uploadId}, ${itemId},
      ${JSON.stringify(image.details)}::text::jsonb,
      ${JSON.stringify(image.thumbnail)}::text::jsonb)`);
  if (!row) throw new Error("save_image returned nothing");
  return row;
}

/** Errors: not_found (what: account, image, album), invalid_state (reason: erased). */
export async function updateImage(
  db: Db,
  accountId: string,
  {
    id,
    change,
  }: { id: string; change: { [D in keyof ImageDetails]?: ImageDetails[D] | undefined } },
): Promise<void> {
  await ask(db`
    SELECT FROM ducat.update_image(${accountId}, ${id}, ${JSON.stringify(change)}::text::jsonb)`);
}

/**
 * Takes an image out of the gallery; its place is free then. Returns the keys of the files to
 * remove. Errors: not_found, invalid_state (reason: erased).
 */
export async function deleteImage(db: Db, accountId: string, id: string): Promise<string[]> {
  const rows = await ask(db<{ key: string }[]>`
    SELECT key FROM ducat.delete_image(${accountId}, ${id}) AS key`);
  return rows.map(({ key }) => key);
}

export type ImageFilter = {
  id?: string | undefined;
  kind?: Image["kind"] | undefined;
  albumId?: string | undefined;
  /** It has all of them. */
  tags?: string[] | undefined;
  isPublic?: boolean | undefined;
  /** Part of the file's name or of a tag, in whatever case. */
  query?: string | undefined;
};

/** The account's image; undefined when there is none. */
export async function findImage(db: Db, accountId: string, id: string): Promise<Image | undefined> {
  const [found] = await listImages(db, accountId, { id, limit: 1 });
  return found;
}

/** Images, newest first, `limit` at most; `beforeId`: those that were added before this one. */
export function listImages(
  db: Db,
  accountId: string,
  filter: ImageFilter & { beforeId?: string | undefined; limit: number },
): Promise<Image[]> {
  const { beforeId, limit } = filter;
  return withAccount(
    db,
    accountId,
    (sql) => sql<Image[]>`
      SELECT i.id, i.kind, i.file_name, i.is_public, i.tags, i.metadata, i.album_id,
        i.generation_id, i.item_id, i.created_at, i.updated_at,
        b.key, b.type, b.width, b.height, b.size, b.sha256,
        t.key AS thumbnail_key, t.width AS thumbnail_width, t.height AS thumbnail_height
      FROM ducat.images i
      JOIN ducat.blobs b ON b.account_id = i.account_id AND b.id = i.blob_id
      JOIN ducat.blobs t ON t.account_id = i.account_id AND t.id = i.thumbnail_id
      WHERE i.account_id = ${accountId} ${matches(sql, filter)}
        ${beforeId ? sql`AND i.id < ${beforeId}` : sql``}
      ORDER BY i.id DESC LIMIT ${limit}`,
  );
}

/** How many images a filter matches. */
export async function countImages(db: Db, accountId: string, filter: ImageFilter): Promise<number> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ total: number }[]>`
      SELECT count(*) AS total FROM ducat.images i
      WHERE i.account_id = ${accountId} ${matches(sql, filter)}`,
  );
  return row?.total ?? 0;
}

// A text is looked for as it is: it has no signs that a pattern would have.
const matches = (sql: AccountSql, filter: ImageFilter) => sql`
  ${filter.id ? sql`AND i.id = ${filter.id}` : sql``}
  ${filter.kind ? sql`AND i.kind = ${filter.kind}` : sql``}
  ${filter.albumId ? sql`AND i.album_id = ${filter.albumId}` : sql``}
  ${filter.tags ? sql`AND i.tags @> ${filter.tags}::text[]` : sql``}
  ${filter.isPublic === undefined ? sql`` : sql`AND i.is_public = ${filter.isPublic}`}
  ${
    filter.query
      ? sql`AND (strpos(lower(i.file_name), lower(${filter.query})) > 0
          OR EXISTS (SELECT FROM unnest(i.tags) AS tag
            WHERE strpos(tag, lower(${filter.query})) > 0))`
      : sql``
  }`;
