import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import { runEach } from "./run-each.ts";

/**
 * Gives the months of paid years that are due by their accounts' clocks, `limit` subscriptions at
 * most, each in its own transaction. Returns how many months were given; what another worker is at
 * is left to it. One that fails keeps no other from its turn: its error is thrown at the end.
 */
export async function refillDue(db: Db, limit = 100): Promise<number> {
  const due = await ask(db<{ account_id: string; subscription_id: string }[]>`
    SELECT * FROM ducat.find_due_refills(${limit})`);
  return await runEach(due, async ({ account_id, subscription_id }) => {
    const [row] = await ask(db<{ months: number }[]>`
      SELECT ducat.refill_subscription(${account_id}, ${subscription_id}) AS months`);
    return row?.months ?? 0;
  });
}

/**
 * Gives what default plans give each month to the accounts for which it is due, `limit` at most,
 * each in its own transaction. Returns how many accounts were looked at: a month may also pass
 * without anything to give. One that fails keeps no other from its turn.
 */
export async function refillBaseDue(db: Db, limit = 100): Promise<number> {
  const due = await ask(db<{ account_id: string }[]>`
    SELECT account_id FROM ducat.find_due_base_refills(${limit}) AS account_id`);
  return await runEach(due, async ({ account_id }) => {
    await ask(db`SELECT ducat.refill_base(${account_id})`);
    return 1;
  });
}

/**
 * Brings everything of one account's subscriptions to its present at once, after its clock was
 * moved: own periods, then all refills. Returns how many months were given. Errors: not_found.
 */
export async function refillAccount(db: Db, accountId: string): Promise<number> {
  const [row] = await ask(db<{ months: number }[]>`
    SELECT ducat.refill_account(${accountId}) AS months`);
  return row?.months ?? 0;
}
