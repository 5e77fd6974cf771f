import type { Db } from "@ducat/db/connect";
import { sweepOwnSubscriptions } from "@ducat/db/own-subscriptions";
import { expireOrders } from "@ducat/db/payments";
import { refillBaseDue, refillDue } from "@ducat/db/refills";

const batch = 100;
const mostRounds = 100;

/**
 * Does what is due by our clock: the months of annual, assigned and default plans, renewal orders
 * and reminders of our own subscriptions, the end of orders that nobody paid. Several workers may
 * do it at once; the database gives each its rows, one transaction each, so that a crash loses and
 * repeats none.
 */
export async function renewDue(db: Db, signal: AbortSignal): Promise<void> {
  await untilNone(signal, () => refillDue(db, batch));
  await untilNone(signal, () => refillBaseDue(db, batch));
  await untilNone(signal, () => sweepOwnSubscriptions(db, batch));
  await untilNone(signal, () => expireOrders(db, batch));
}

async function untilNone(signal: AbortSignal, run: () => Promise<number>): Promise<void> {
  for (let round = 0; round < mostRounds && !signal.aborted; round += 1) {
    if ((await run()) < batch) return;
  }
}
