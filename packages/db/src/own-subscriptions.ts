import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import { runEach } from "./run-each.ts";
import type { Subscription } from "./subscriptions.ts";

/**
 * Lets the account's own subscription end with what is paid; one that is past due ends at once.
 * Errors: not_found (it has no running one; those of a provider are not ours to cancel).
 */
export async function cancelOwn(db: Db, accountId: string): Promise<Subscription> {
  const [row] = await ask(db<Subscription[]>`SELECT * FROM ducat.cancel_own(${accountId})`);
  if (!row) throw new Error("cancel_own returned no row");
  return row;
}

/**
 * Takes a cancellation back. Errors: not_found (no running own subscription), invalid_state
 * (reason: ended).
 */
export async function resumeOwn(db: Db, accountId: string): Promise<Subscription> {
  const [row] = await ask(db<Subscription[]>`SELECT * FROM ducat.resume_own(${accountId})`);
  if (!row) throw new Error("resume_own returned no row");
  return row;
}

/**
 * Brings own subscriptions to their accounts' present, `limit` at most: into periods that were
 * paid, past due, to their end; makes renewal orders three days before a period ends and sends
 * their links; reminds of passes that end within a day. Returns how much was done. One that fails
 * keeps no other from its turn: its error is thrown when all have had theirs.
 */
export async function sweepOwnSubscriptions(db: Db, limit = 100): Promise<number> {
  const due = await ask(db<{ account_id: string; subscription_id: string }[]>`
    SELECT * FROM ducat.find_due_own_subscriptions(${limit})`);
  const advance = async ({ account_id, subscription_id }: (typeof due)[number]) => {
    const [row] = await ask(db<{ changed: boolean }[]>`
      SELECT ducat.advance_own_subscription(${account_id}, ${subscription_id}) AS changed`);
    return row?.changed ? 1 : 0;
  };
  const [row] = await ask(db<{ told: number }[]>`SELECT ducat.remind_passes(${limit}) AS told`);
  return (row?.told ?? 0) + (await runEach(due, advance));
}
