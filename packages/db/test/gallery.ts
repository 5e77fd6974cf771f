import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { insertUpload } from "../src/blobs.ts";
import type { Db } from "../src/connect.ts";
import { type ImageDetails, type ImageSource, saveImage } from "../src/images.ts";
import { completeItem } from "../src/items.ts";
import { makeGeneration } from "./factories.ts";
import { claim } from "./work.ts";

const shape = { sha256: "ab".repeat(32), type: "image/webp", size: 9, width: 4, height: 3 };

/** An upload of an account, as if its file were stored. */
export const makeUpload = (db: Db, accountId: string, lifetimeSeconds = 60) =>
  insertUpload(db, accountId, {
    ...shape,
    key: `${accountId}/inputs/${randomUUID()}.webp`,
    lifetimeSeconds,
  });

/** A thumbnail, as if its file were stored. */
export const makeThumbnail = (accountId: string) => ({
  ...shape,
  key: `${accountId}/thumbnails/${randomUUID()}.webp`,
});

/** A generation with one picture: its id, its item's, the key of its file; maybe a small one. */
export async function makeResult(
  { app, worker }: { app: Db; worker: Db },
  accountId: string,
  { thumbnailKey }: { thumbnailKey?: string } = {},
): Promise<{ id: string; itemId: string; key: string }> {
  const made = await makeGeneration(app, accountId, { unitCost: 0 });
  const item = await claim(worker, accountId, made);
  const key = `${accountId}/${item.item_id}/1/${randomUUID()}.webp`;
  const thumbnail = thumbnailKey && { thumbnail: { ...shape, key: thumbnailKey } };
  const output = { kind: "image" as const, ...shape, key, ...thumbnail };
  await completeItem(worker, item, { output, usage: {} });
  return { id: made.id, itemId: item.item_id, key };
}

/** Keeps a picture in the gallery, with a thumbnail of its own. */
export const keepImage = (
  db: Db,
  accountId: string,
  source: ImageSource,
  details: Partial<ImageDetails> = {},
) => saveImage(db, accountId, { source, details, thumbnail: makeThumbnail(accountId) });

/** Throws unless places, albums' counts and blobs are those of the images that there are. */
export async function assertGallery(admin: Db): Promise<void> {
  const broken = await admin`
    SELECT 'counter' AS what, a.id::text, coalesce(c.used, 0) AS told, count(i.id) AS found
    FROM ducat.accounts a
    LEFT JOIN ducat.usage_counters c ON c.account_id = a.id AND c.feature = 'gallery_images'
      AND c.period_start = '-infinity'
    LEFT JOIN ducat.images i ON i.account_id = a.id
    GROUP BY a.id, c.used HAVING coalesce(c.used, 0) <> count(i.id)
    UNION ALL
    SELECT 'album', o.id::text, o.image_count, count(i.id)
    FROM ducat.albums o
    LEFT JOIN ducat.images i ON i.account_id = o.account_id AND i.album_id = o.id
    GROUP BY o.account_id, o.id HAVING o.image_count <> count(i.id)
    UNION ALL
    SELECT 'image', i.id::text, NULL, NULL FROM ducat.images i
    LEFT JOIN ducat.blobs b ON b.account_id = i.account_id AND b.id = i.blob_id
    LEFT JOIN ducat.blobs t ON t.account_id = i.account_id AND t.id = i.thumbnail_id
    LEFT JOIN ducat.albums o ON o.account_id = i.account_id AND o.id = i.album_id
    WHERE b.purpose IS DISTINCT FROM 'gallery' OR b.expires_at IS NOT NULL
      OR t.purpose IS DISTINCT FROM 'thumbnail' OR t.expires_at IS NOT NULL
      OR o.id IS DISTINCT FROM i.album_id
    UNION ALL
    SELECT 'blob', b.key, NULL, NULL FROM ducat.blobs b
    WHERE (b.purpose = 'gallery' OR b.purpose = 'thumbnail' AND b.generation_id IS NULL)
        AND NOT EXISTS (
        SELECT FROM ducat.images i
        WHERE i.account_id = b.account_id AND b.id IN (i.blob_id, i.thumbnail_id))
      OR (b.purpose = 'output' OR b.purpose = 'thumbnail' AND b.generation_id IS NOT NULL)
        AND NOT EXISTS (
        SELECT FROM ducat.generations g
        WHERE g.account_id = b.account_id AND g.id = b.generation_id AND g.deleted_at IS NULL)`;
  expect([...broken]).toEqual([]);
}
