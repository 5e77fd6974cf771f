import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { ItemUsage } from "./items.ts";
import type { Output } from "./outputs.ts";

export type CachedResult = { item_id: string; output: Output; usage: ItemUsage | null };

/**
 * The account's newest result of at most `days` days that was made under this key; undefined when
 * there is none, or it is gone by now.
 */
export async function findCachedResult(
  db: Db,
  accountId: string,
  { key, days }: { key: Uint8Array; days: number },
): Promise<CachedResult | undefined> {
  const [row] = await ask(db<CachedResult[]>`
    SELECT * FROM ducat.find_cached_result(${accountId}, ${key}, ${days})`);
  return row;
}
