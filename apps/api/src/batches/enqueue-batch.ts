import { setTimeout } from "node:timers/promises";
import type { CreatedBatch } from "@ducat/db/batches";
import type { Deps } from "../deps.ts";

/** A slow queue keeps nobody waiting for longer: what is still on its way goes on. */
const longestMs = 2_000;

/** Hands the items of a new batch to the workers. */
export async function enqueueBatch(
  { enqueue }: Pick<Deps, "enqueue">,
  accountId: string,
  { id: generationId, item_ids: itemIds }: Pick<CreatedBatch, "id" | "item_ids">,
): Promise<void> {
  const patience = new AbortController();
  const { signal } = patience;
  const tired = setTimeout(longestMs, undefined, { signal, ref: false }).catch(() => undefined);
  await Promise.race([enqueue.add({ accountId, generationId, itemIds }), tired]);
  patience.abort();
}
