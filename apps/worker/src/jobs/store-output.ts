import { createHash } from "node:crypto";
import type { ClaimedItem } from "@ducat/db/items";
import type { Output } from "@ducat/db/outputs";
import { resultThumbnailKey } from "@ducat/storage/blob-key";
import type { Blobs } from "@ducat/storage/blobs";
import type { ImageIntake } from "@ducat/storage/image-intake";
import type { Log } from "../log.ts";
import type { At } from "../points.ts";
import { safeError } from "../safe-error.ts";
import type { CheckedOutput } from "./check-output.ts";

export type StoreDeps = {
  blobs: Blobs;
  imageIntake: Pick<ImageIntake, "shrink">;
  log: Log;
  at: At;
};

/**
 * Stores the files of an output, a picture's own and its thumbnail; returns the output as its row
 * says it. The keys are of the attempt and the content, so doing it again writes the same. Throws
 * when the picture can't be stored; without a thumbnail it is worth its price all the same.
 */
export async function storeOutput(
  deps: StoreDeps,
  item: ClaimedItem,
  { output, bytes }: CheckedOutput,
): Promise<Output> {
  if (output.kind !== "image" || !bytes) return output;
  await deps.blobs.put(output.key, bytes);
  await deps.at("between-blobs", item.item_id);
  try {
    return { ...output, thumbnail: await storeThumbnail(deps, item, bytes) };
  } catch (error) {
    const { item_id } = item;
    deps.log.warn({ item: item_id, err: safeError(error) }, "a result has no thumbnail");
    return output;
  }
}

async function storeThumbnail(
  { blobs, imageIntake }: StoreDeps,
  item: ClaimedItem,
  picture: Uint8Array,
) {
  const { bytes, type, width, height } = await imageIntake.shrink(picture);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { account_id: accountId, item_id: itemId, attempt } = item;
  const key = resultThumbnailKey({ accountId, itemId, attempt, sha256 });
  const { size } = await blobs.put(key, bytes);
  return { key, type, width, height, size, sha256 };
}

/** The files of an output that no row names; what can't be removed now is collected later. */
export async function removeOutput({ blobs, log }: StoreDeps, output: Output): Promise<void> {
  if (output.kind !== "image") return;
  const keys = [output.key, ...(output.thumbnail ? [output.thumbnail.key] : [])];
  const removed = await Promise.allSettled(keys.map((key) => blobs.remove(key)));
  for (const one of removed) {
    if (one.status === "fulfilled") continue;
    log.warn({ err: safeError(one.reason) }, "an orphan was left for the collector");
  }
}
