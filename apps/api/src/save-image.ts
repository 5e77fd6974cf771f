import { randomUUID } from "node:crypto";
import {
  findResultThumbnail,
  type ImageDetails,
  type ImageSource,
  prepareImage,
  saveImage,
  type Thumbnail,
} from "@ducat/db/images";
import { thumbnailKey } from "@ducat/storage/blob-key";
import { maxBlobBytes } from "@ducat/storage/blobs";
import type { Picture } from "@ducat/storage/image-intake";
import { DomainError } from "@ducat/types/errors";
import type { Deps } from "./deps.ts";
import { refuseAt } from "./problem.ts";
import { removeFiles } from "./remove-files.ts";
import { createSlots } from "./slots.ts";

type SaveDeps = Pick<Deps, "db" | "blobs" | "imageIntake" | "entitlements" | "log">;
type Wanted = { source: ImageSource; details: Partial<ImageDetails>; requestId: string };

/**
 * Keeps a picture in the gallery with a small one beside it, or finds that it is kept already
 * (`replayed`); returns the image's id. What is there already or has no place is told before a
 * picture is read; few are read at a time.
 * Errors: validation_failed (no such source or album), invalid_state, quota_exceeded, unavailable.
 */
export function createImageSaver(deps: SaveDeps) {
  const holdPicture = createSlots({ slots: 2, mostWaiting: 200 }, "Too many uploads at once.");
  return (accountId: string, image: Wanted): Promise<{ id: string; replayed: boolean }> =>
    refuseUnknown(image.source, () =>
      holdPicture(async () => {
        const { key, image_id } = await prepareImage(deps.db, accountId, image.source);
        if (image_id !== null) return { id: image_id, replayed: true };
        const made = { key, source: image.source };
        const thumbnail = await storeThumbnail(deps, accountId, made);
        return await keep(deps, accountId, { ...image, thumbnail });
      }),
    );
}

/** The file first, then the row, as everywhere: one without a row is an orphan and goes. */
async function storeThumbnail(
  deps: SaveDeps,
  accountId: string,
  { key, source }: { key: string; source: ImageSource },
): Promise<Thumbnail> {
  const { bytes: small, ...shape } =
    (await readThumbnail(deps, accountId, source)) ?? (await makeThumbnail(deps, key));
  const stored = await deps.blobs.put(thumbnailKey(accountId, randomUUID()), small);
  return { ...shape, ...stored };
}

/** A result has its own small one: the gallery's is a copy, so that each goes with its owner. */
async function readThumbnail(
  { db, blobs }: SaveDeps,
  accountId: string,
  source: ImageSource,
): Promise<Picture | undefined> {
  if (!("itemId" in source)) return undefined;
  const found = await findResultThumbnail(db, accountId, source.itemId);
  const bytes = found && (await blobs.readBytes(found.key, maxBlobBytes));
  if (!bytes) return undefined;
  return { bytes, type: "image/webp", width: found.width, height: found.height };
}

async function makeThumbnail({ blobs, imageIntake }: SaveDeps, key: string): Promise<Picture> {
  const bytes = await blobs.readBytes(key, maxBlobBytes);
  // Removed since its row was read.
  if (!bytes) throw new DomainError("not_found", { extra: { what: "source" } });
  return await imageIntake.shrink(bytes);
}

async function keep(
  deps: SaveDeps,
  accountId: string,
  { thumbnail, requestId, ...image }: Wanted & { thumbnail: Thumbnail },
): Promise<{ id: string; replayed: boolean }> {
  const forget = () => removeFiles(deps, [thumbnail.key], requestId);
  try {
    const saved = await saveImage(deps.db, accountId, { ...image, thumbnail });
    if (saved.replayed) await forget();
    else deps.entitlements.drop(accountId);
    return saved;
  } catch (error) {
    const isRefused = error instanceof DomainError && error.code !== "unavailable";
    if (isRefused) await forget();
    // Nobody knows whether a commit whose answer was lost has happened: the collector will tell.
    else deps.entitlements.drop(accountId);
    throw error;
  }
}

/** Whatever is wrong with an id that a body names is a fault of the body. */
async function refuseUnknown<T>(source: ImageSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== "not_found") throw error;
    if (error.detail.extra?.what === "album") throw refuseAlbum();
    throw "itemId" in source
      ? refuseAt("/generation_item_id", "There is no such picture.")
      : refuseAt("/upload_id", "There is no such upload, or it has expired.");
  }
}

export const refuseAlbum = () => refuseAt("/album_id", "There is no such album.");
