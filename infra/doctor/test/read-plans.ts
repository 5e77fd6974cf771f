import type { AccountRange } from "../../../packages/db/src/invariants.ts";
import type { AccountCheck, Snapshot, Tx } from "../check.ts";

type Node = Record<string, unknown> & { Plans?: Node[] };

/** Tables that grow with use: a look at some accounts must not read what is others'. */
const hot = new Set([
  ...["credit_accounts", "credit_grants", "credit_entries", "credit_holds", "generations"],
  ...["generation_items", "outbox", "idempotency_keys", "payments", "blobs", "usage_logs"],
  ...["usage_counters", "images", "accounts", "passes", "allowance_grants"],
]);

/** Indexes of few rows, whichever accounts these are about. */
const few = new Set(["accounts_erased"]);

/** How a check would read hot tables for a range: those reads that aren't by the range's key. */
export const findWideReads = (snapshot: Snapshot, check: AccountCheck, range: AccountRange) =>
  snapshot(10_000, async (tx) => {
    const plan = await explain(tx, check, range);
    return listNodes(plan).flatMap((node) => {
      const table = String(node["Relation Name"] ?? "");
      if (!hot.has(table) || few.has(String(node["Index Name"]))) return [];
      const by = String(node["Index Cond"] ?? node["Recheck Cond"] ?? "");
      const isByKey = /account_id|\bid\b|payment_id/.test(by);
      return isByKey ? [] : [`${check.id} ${table}: ${String(node["Node Type"])} ${by}`];
    });
  });

async function explain(tx: Tx, { violations }: AccountCheck, { from, to }: AccountRange) {
  const [row] = await tx.unsafe<{ "QUERY PLAN": [{ Plan: Node }] }[]>(
    `EXPLAIN (FORMAT JSON) ${violations}`,
    [from, to],
  );
  return row?.["QUERY PLAN"][0].Plan ?? {};
}

const listNodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(listNodes)];
