import type { ProviderFact } from "@ducat/billing/facts";
import { findOrder, listOpenOrders, type OrderRow } from "@ducat/db/payments";
import { isFinal } from "./is-final.ts";
import type { Run } from "./run-reconciliation.ts";
import { toOpenOrder } from "./settle-order.ts";

/** The most open pages that a run asks about, and how many are read at once. */
const mostOrders = 2_000;
const pageSize = 1_000;
/** Below this age a page is left to its customer. */
const youngSeconds = 60;
/** Providers close their pages after a day at most; then nobody can pay there any more. */
const pageLifeMs = 25 * 3_600_000;

type Page = OrderRow & { ref: string };

/** Pages of ours that may still be paid, the oldest first. */
export async function listPages({ deps, provider: { name, mode } }: Run): Promise<Page[]> {
  const pages: Page[] = [];
  for (let full = true; full && pages.length < mostOrders; ) {
    const filter = { provider: name, mode, olderThanSeconds: youngSeconds, limit: pageSize };
    const found = await listOpenOrders(deps.db, { ...filter, afterId: pages.at(-1)?.id });
    pages.push(...found);
    full = found.length === pageSize;
  }
  return pages;
}

/**
 * What the provider can't place may be a page of ours that we had given up: then that one is
 * settled instead. Where the provider refuses that for good, a person has to know; where it is
 * away, the run has failed, and the next one asks again. Any other fact is returned as it is.
 */
export async function settleUnknown(run: Run, fact: ProviderFact): Promise<ProviderFact[]> {
  const { deps, provider } = run;
  const isLost = fact.kind === "anomaly" && fact.detail === "unknown_order";
  if (!isLost || !provider.settle) return [fact];
  const side = { provider: provider.name, mode: provider.mode };
  const { attempt } = (await findOrder(deps.db, { ...side, ref: fact.about })) ?? {};
  if (attempt?.ref !== fact.about) return [fact];
  try {
    return await provider.settle(toOpenOrder(attempt));
  } catch (error) {
    if (isFinal(error)) return [fact];
    run.failures.push(error);
    return [];
  }
}

/** Closes pages that are too old to be paid: their orders end, unless they have another page. */
export async function closeOldPages(run: Run): Promise<void> {
  const { deps, provider } = run;
  const before = new Date(deps.now() - pageLifeMs);
  for (const { ref, reference, created_at } of await listPages(run)) {
    if (created_at >= before) return;
    await run.take({
      kind: "payment.expired",
      provider: provider.name,
      mode: provider.mode,
      effectKey: `closed:${ref}`,
      occurredAt: new Date(deps.now()),
      orderRef: reference,
      paymentRef: ref,
    });
  }
}
