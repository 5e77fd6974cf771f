import journal from "../drizzle/meta/_journal.json" with { type: "json" };
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/**
 * Settles which kind of queue this deployment uses: the first process records its own, later ones
 * learn what was recorded. Two kinds at once would leave jobs where nobody looks.
 */
export async function settleQueueKind(db: Db, kind: string): Promise<string> {
  const [row] = await ask(db<{ kind: string }[]>`SELECT ducat.settle_queue_kind(${kind}) AS kind`);
  return row?.kind ?? kind;
}

/** The migrations of this release that the database does not have yet. More of them are no harm. */
export async function listMissingMigrations(db: Db): Promise<string[]> {
  const rows = await ask(db<{ name: string }[]>`SELECT name FROM ducat.migrations`);
  const applied = new Set(rows.map((row) => row.name));
  const needed = [...journal.entries.map((entry) => entry.tag), "functions"];
  return needed.filter((name) => !applied.has(name));
}

/** Why this release can't work on the database yet, in a sentence; undefined: it can. */
export async function findSchemaFault(db: Db): Promise<string | undefined> {
  try {
    const missing = await listMissingMigrations(db);
    if (missing.length === 0) return undefined;
    return `These migrations are not applied: ${missing.join(", ")}.`;
  } catch {
    return "PostgreSQL can't be reached or does not let this login in.";
  }
}

/** How many connections of this login's role there are on the server, by state. */
export function countConnections(db: Db): Promise<{ state: string; count: number }[]> {
  return ask(db<{ state: string; count: number }[]>`
    SELECT coalesce(state, 'other') AS state, count(*)::int AS count FROM pg_stat_activity
    WHERE usename = session_user AND datname = current_database() GROUP BY 1`);
}
