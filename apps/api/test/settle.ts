import { claimItem, completeItem, failItem } from "@ducat/db/items";
import { outputKey, resultThumbnailKey } from "@ducat/storage/blob-key";
import type { Stage } from "./stage.ts";

/** `completed`: with a picture, as older releases made them; `thumbnailed`: with a small one. */
export type Ending = "completed" | "thumbnailed" | "text" | "failed";

/** Ends the items of a generation, as a worker would, in these ways and this order. */
export async function settle(
  stage: Stage,
  accountId: string,
  { id, items }: { id: string; items: { id: string }[] },
  endings: Ending[],
): Promise<void> {
  for (const [index, ending] of endings.entries()) {
    const itemId = items[index]?.id ?? "";
    const claimed = await claim(stage, accountId, id, itemId);
    if (ending === "failed") {
      const failure = { code: "provider_refused", message: "No.", retryable: false };
      await failItem(stage.db.worker, claimed, { ...failure, delaySeconds: 0 });
    } else {
      const output =
        ending === "text"
          ? { kind: "text" as const, text: "A fine chair." }
          : await storePicture(stage, { accountId, itemId, ending });
      await completeItem(stage.db.worker, claimed, { output, usage: { response_time_ms: 5 } });
    }
  }
}

/** Claims one item, as a worker would before it works. */
export async function claim(stage: Stage, accountId: string, generationId: string, itemId: string) {
  const item = { accountId, generationId, itemId, attempt: 0 };
  const claimed = await claimItem(stage.db.worker, item, 60);
  if (!claimed) throw new Error("nothing was claimed");
  return claimed;
}

async function storePicture(
  { deps }: Stage,
  { accountId, itemId, ending }: { accountId: string; itemId: string; ending: Ending },
) {
  const bytes = Buffer.from(`the picture of ${itemId}`);
  const sha256 = "ab".repeat(32);
  const key = outputKey({ accountId, itemId, attempt: 1, sha256, extension: "webp" });
  const { size } = await deps.blobs.put(key, bytes);
  const type = "image/webp";
  const picture = { kind: "image" as const, key, type, width: 8, height: 6, size, sha256 };
  if (ending === "completed") return picture;
  const place = resultThumbnailKey({ accountId, itemId, attempt: 1, sha256 });
  const small = await deps.blobs.put(place, Buffer.from(`the small one of ${itemId}`));
  return { ...picture, thumbnail: { ...small, type, width: 4, height: 3 } };
}
