import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import { runEach } from "./run-each.ts";

/** What an account wants to be told of; low_balance: when fewer credits are left, null never. */
export type AlertSettings = {
  low_balance: number | null;
  quota: boolean;
  expiring: boolean;
  messages: boolean;
};

export type AlertKind = "balance" | "quota" | "expiring";

/** The settings; those of an account that never set any are what everybody begins with. */
export async function getAlerts(db: Db, accountId: string): Promise<AlertSettings> {
  const [row] = await ask(db<AlertSettings[]>`SELECT * FROM ducat.get_alerts(${accountId})`);
  if (!row) throw new Error("get_alerts returned no row");
  return row;
}

/** Replaces the settings. Errors: not_found, validation_failed (low_balance). */
export async function setAlerts(
  db: Db,
  accountId: string,
  { low_balance, quota, expiring, messages }: AlertSettings,
): Promise<AlertSettings> {
  const [row] = await ask(db<AlertSettings[]>`
    SELECT * FROM ducat.set_alerts(${accountId}, ${low_balance}, ${quota}, ${expiring},
      ${messages})`);
  if (!row) throw new Error("set_alerts returned no row");
  return row;
}

/**
 * Looks at an account and tells what it has crossed and was not told: returns the types of the
 * events that were written now. Of these kinds only, where some are given. Errors: not_found.
 */
export async function raiseAlerts(
  db: Db,
  accountId: string,
  kinds?: readonly AlertKind[],
): Promise<string[]> {
  const [row] = await ask(db<{ told: string[] }[]>`
    SELECT ducat.raise_alerts(${accountId}, ${kinds ? [...kinds] : null}) AS told`);
  return row?.told ?? [];
}

/**
 * Raises what nobody has raised yet, of `limit` accounts at most, each in its own transaction.
 * Returns how many accounts were looked at. One that fails keeps no other from its turn: its error
 * is thrown at the end.
 */
export async function raiseDueAlerts(db: Db, limit = 100): Promise<number> {
  const due = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.find_due_alerts(${limit}) AS id`);
  return await runEach(due, async ({ id }) => {
    await raiseAlerts(db, id);
    return 1;
  });
}
