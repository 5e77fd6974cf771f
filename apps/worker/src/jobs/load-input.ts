import type { ClaimedItem } from "@ducat/db/items";
import { accountOfKey } from "@ducat/storage/blob-key";
import type { Blobs } from "@ducat/storage/blobs";
import type { ImageIntake } from "@ducat/storage/image-intake";
import { DomainError } from "@ducat/types/errors";
import { z } from "zod";
import type { FetchPhoto } from "../fetch-photo.ts";
import type { Task } from "../generators/generator.ts";

/** Uploads were re-encoded by the API and are far smaller; this is for one that was not. */
const maxPhotoBytes = 32 * 1024 * 1024;

/** An item's input as the API stored it. A photo's key or address never reaches a generator. */
const StoredInput = z.union([
  z.object({ type: z.literal("photo"), photo_key: z.string() }),
  z.object({ type: z.literal("photo"), photo_url: z.string() }),
  z.object({ type: z.literal("address"), address: z.string() }),
  z.object({ type: z.literal("text"), prompt: z.string() }),
]);

export type InputDeps = { blobs: Blobs; fetchPhoto: FetchPhoto; imageIntake: ImageIntake };

/**
 * Loads what an item works on. A photo from an address is judged and re-encoded like an upload.
 * Errors: not_found (the upload is gone), validation_failed (the photo or its address is not
 * usable), payload_too_large, PhotoUnreachable; anything else may work later.
 */
export async function loadInput(
  deps: InputDeps,
  item: ClaimedItem,
  signal: AbortSignal,
): Promise<Task["input"]> {
  const input = StoredInput.parse(item.input);
  if (input.type !== "photo") return input;
  try {
    return { type: "photo", photo: await loadPhoto(deps, { item, input, signal }) };
  } catch (error) {
    // What a provider has under a known id is only asked for; the photo may be gone by now.
    if (item.provider_request_id === null) throw error;
    return { type: "photo", photo: Buffer.alloc(0) };
  }
}

type PhotoInput = Extract<z.infer<typeof StoredInput>, { type: "photo" }>;

async function loadPhoto(
  deps: InputDeps,
  { item, input, signal }: { item: ClaimedItem; input: PhotoInput; signal: AbortSignal },
): Promise<Buffer> {
  if ("photo_url" in input) {
    const bytes = await deps.fetchPhoto(input.photo_url, { signal });
    return (await deps.imageIntake.intake(bytes)).bytes;
  }
  if (accountOfKey(input.photo_key) !== item.account_id) {
    throw new Error("an input names another account's file");
  }
  const photo = await deps.blobs.readBytes(input.photo_key, maxPhotoBytes);
  if (!photo) throw new DomainError("not_found", { detail: "The photo is no longer stored." });
  return photo;
}
