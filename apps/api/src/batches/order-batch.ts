import { type CreatedBatch, createBatch, type NewBatch } from "@ducat/db/batches";
import { isKeyUsed } from "@ducat/db/generations";
import { type Quote, takesQuota } from "@ducat/entitlements/quote-generation";
import { DomainError } from "@ducat/types/errors";
import type { Deps } from "../deps.ts";
import { forgetTerms } from "../quote-terms.ts";

type OrderDeps = Pick<Deps, "db" | "cache" | "entitlements">;
/** All but what the account's plan makes of it. */
export type WantedBatch = Omit<NewBatch, "usage" | "terms"> & { styleVersion: number };

export type AskedOrder = Pick<NewBatch, "key" | "fingerprint" | "style"> & {
  prepare: () => Promise<WantedBatch>;
};

/** How often rows are priced while their style is published anew in between. */
const mostQuotes = 3;

/**
 * Creates a batch as the account's plan has it. `prepare` checks and prices its rows, and is asked
 * again where the style has changed meanwhile. A key that was used is answered from its row, before
 * anything is checked: uploads may have expired since. Errors: those of createBatch and `prepare`.
 */
export async function orderBatch(
  deps: OrderDeps,
  accountId: string,
  { prepare, ...asked }: AskedOrder,
): Promise<CreatedBatch> {
  const { db } = deps;
  if (await isKeyUsed(db, accountId, asked.key)) {
    const nothing = { rows: [], batch: { rows: 0, rejected: 0, errors: [] } };
    return await createBatch(db, accountId, { ...asked, ...nothing });
  }
  for (let tries = 1; ; tries++) {
    try {
      return await orderPrepared(deps, accountId, await prepare());
    } catch (error) {
      if (!isOldPrice(error)) throw error;
      if (tries === mostQuotes) throw new DomainError("unavailable", {}, { cause: error });
      await forgetTerms(deps, asked.style);
    }
  }
}

/** A refusal that may come of an old memory is looked at once more with a new one. */
async function orderPrepared(
  deps: OrderDeps,
  accountId: string,
  wanted: WantedBatch,
): Promise<CreatedBatch> {
  try {
    return await orderOnce(deps, accountId, wanted);
  } catch (error) {
    const code = error instanceof DomainError ? error.code : undefined;
    const mayPass = code === "quota_exceeded" || code === "insufficient_credits";
    if (!mayPass) throw error;
    await deps.entitlements.forget(accountId);
    return await orderOnce(deps, accountId, wanted);
  }
}

async function orderOnce(
  { db, entitlements }: OrderDeps,
  accountId: string,
  wanted: WantedBatch,
): Promise<CreatedBatch> {
  const quoted = await entitlements.quoteGeneration(accountId, {
    ...{ style: wanted.style, items: wanted.rows.length, subject: wanted.subject },
    findUnitCost: async () => averageCost(wanted),
  });
  const made = await createBatch(db, accountId, withQuote(wanted, quoted));
  if (takesQuota(quoted) && !made.replayed) entitlements.drop(accountId);
  return made;
}

/** Limits of credits count so much for each item, and in all never less than it costs. */
const averageCost = ({ rows }: WantedBatch): number =>
  Math.ceil(rows.reduce((sum, { cost }) => sum + cost, 0) / rows.length);

/** Rows at what the plan makes of their price: nothing, where it is free. */
function withQuote(wanted: WantedBatch, { unitCost, usage }: Quote): NewBatch {
  const rows = unitCost === 0 ? wanted.rows.map((row) => ({ ...row, cost: 0 })) : wanted.rows;
  const terms = unitCost === 0 ? { unit: 0, lines: [] } : null;
  return { ...wanted, rows, terms, usage };
}

const isOldPrice = (error: unknown): boolean =>
  error instanceof DomainError &&
  error.code === "invalid_state" &&
  error.detail.extra?.what === "style_version";
