import type { Db } from "../src/connect.ts";
import type { CreatedGeneration } from "../src/generations.ts";
import {
  type ClaimedItem,
  claimItem,
  completeItem,
  failItem,
  type ItemUsage,
} from "../src/items.ts";

/** Claims one item of a generation as a worker would; throws when there is nothing to claim. */
export async function claim(
  worker: Db,
  accountId: string,
  made: Pick<CreatedGeneration, "id" | "item_ids">,
  { position = 0, attempt = 0, leaseSeconds = 60 } = {},
): Promise<ClaimedItem> {
  const itemId = made.item_ids[position] ?? "";
  const item = { accountId, generationId: made.id, itemId, attempt };
  const claimed = await claimItem(worker, item, leaseSeconds);
  if (!claimed) throw new Error(`item ${position} could not be claimed`);
  return claimed;
}

export const output = { kind: "text", text: "a text" } as const;

export function complete(worker: Db, item: ClaimedItem, actual?: number, usage: ItemUsage = {}) {
  return completeItem(worker, item, { output, usage, actual });
}

/** Fails for good unless it says that it may be tried again. */
export function fail(
  worker: Db,
  item: ClaimedItem,
  more: Partial<Parameters<typeof failItem>[2]> = {},
) {
  const failure = { code: "provider_error", message: "It broke.", retryable: false };
  return failItem(worker, item, { ...failure, delaySeconds: 0, ...more });
}
