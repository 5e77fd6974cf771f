import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** A value of admin_config; undefined when it was never set. */
export async function findConfig(db: Db, key: string): Promise<unknown> {
  const [row] = await ask(db<{ value: unknown }[]>`
    SELECT value FROM ducat.admin_config WHERE key = ${key}`);
  return row?.value;
}

/**
 * Settles which kind of queue this deployment uses: the first process records its own, later ones
 * learn what was recorded. Two kinds at once would leave jobs where nobody looks.
 */
export async function settleQueueKind(db: Db, kind: string): Promise<string> {
  const [row] = await ask(db<{ kind: string }[]>`SELECT ducat.settle_queue_kind(${kind}) AS kind`);
  return row?.kind ?? kind;
}

/** The migrations that are applied; throws `unavailable` when the database can't be reached. */
export async function listApplied(db: Db): Promise<string[]> {
  const rows = await ask(db<{ name: string }[]>`SELECT name FROM ducat.migrations ORDER BY name`);
  return rows.map((row) => row.name);
}
