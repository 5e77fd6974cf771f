import { claimItem, completeItem, failItem } from "@ducat/db/items";
import { outputKey } from "@ducat/storage/blob-key";
import type { Stage } from "./stage.ts";

export type Ending = "completed" | "text" | "failed";

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
          : await storePicture(stage, accountId, itemId);
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

async function storePicture({ deps }: Stage, accountId: string, itemId: string) {
  const bytes = Buffer.from(`the picture of ${itemId}`);
  const sha256 = "ab".repeat(32);
  const key = outputKey({ accountId, itemId, attempt: 1, sha256, extension: "webp" });
  const { size } = await deps.blobs.put(key, bytes);
  return { kind: "image" as const, key, type: "image/webp", width: 8, height: 6, size, sha256 };
}
