import { type AccountRange, allAccounts } from "../../packages/db/src/invariants.ts";
import type { Tx } from "./check.ts";

const end = BigInt(`0x${allAccounts.to.replaceAll("-", "")}`);

/** The id that comes right after this one; undefined after the last that there can be. */
export function nextId(id: string): string | undefined {
  const next = BigInt(`0x${id.replaceAll("-", "")}`) + 1n;
  if (next > end) return undefined;
  const hex = next.toString(16).padStart(32, "0");
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts.flatMap((cut, at) => (at > 0 ? [hex.slice(cuts[at - 1], cut)] : [])).join("-");
}

/**
 * The range that begins at an id and has so many accounts; the last one also has whatever there is
 * beyond them. `count` is how many accounts are in it, `last` the last of them.
 */
export async function findRange(
  tx: Tx,
  from: string,
  size: number,
): Promise<AccountRange & { count: number; last: string }> {
  const rows = await tx<{ id: string }[]>`
    SELECT id FROM ducat.accounts WHERE id >= ${from} ORDER BY id LIMIT ${size}`;
  const last = rows.at(-1);
  const to = rows.length < size || !last ? allAccounts.to : last.id;
  return { from, to, count: rows.length, last: last?.id ?? "what lies beyond the last account" };
}
