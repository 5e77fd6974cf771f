import type { Db } from "./connect.ts";
import type { Audit, RequestKey } from "./credits.ts";
import { askOnce } from "./errors.ts";

export type RefundResult = { items: number; credits: number; replayed: boolean };

/**
 * Pays completed items back by hand, each once, with an audit line; no items means all. A long
 * batch goes in steps of `atOnce`, each a transaction; a repeat after a step that broke off goes on
 * and tells what it paid back itself.
 * Errors: not_found (generation or item), invalid_state (an item is not completed),
 * idempotency_conflict.
 */
export async function refundGeneration(
  db: Db,
  accountId: string,
  refund: RequestKey & {
    id: string;
    items?: string[] | undefined;
    reason: string;
    audit: Audit;
    atOnce?: number;
  },
): Promise<RefundResult> {
  const { key, fingerprint, id, items, reason, audit, atOnce = 500 } = refund;
  type Step = { items: number; credits: number } & ({ more: true } | { replayed: boolean });
  let done: Step | undefined;
  for (;;) {
    const [row] = await askOnce(
      "idempotency_keys_pkey",
      () => db<{ step: Step }[]>`
        SELECT ducat.refund_generation(${accountId}, ${id}, ${items ?? null}::uuid[], ${reason},
          ${key}, ${fingerprint}, ${JSON.stringify(audit)}::text::jsonb,
          ${JSON.stringify(done ?? null)}::text::jsonb, ${atOnce}) AS step`,
    );
    if (!row) throw new Error("refund_generation returned no row");
    if ("replayed" in row.step) return row.step;
    done = row.step;
  }
}
