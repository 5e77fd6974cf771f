import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** One way in which our books and a provider's were found to differ. */
export type Difference = {
  kind:
    | "missing_payment"
    | "missing_invoice"
    | "missing_reversal"
    | "dispute_differs"
    | "subscription_differs"
    | "amount_differs"
    | "unknown_order"
    | "not_at_provider"
    | "method_differs";
  provider: string;
  /** What it is about, as the provider names it. */
  about: string;
  payment_id?: string;
  /** Our books are right now; otherwise a person has to look. */
  repaired: boolean;
  detail: string;
};

export type Reconciliation = {
  id: string;
  provider: string;
  mode: string;
  since: Date;
  status: "waiting" | "running" | "clean" | "differs" | "failed";
  facts: number;
  differences: Difference[];
  error: string | null;
  started_at: Date | null;
  finished_at: Date | null;
  created_at: Date;
};

/** The most differences that a row keeps; a run counts the others. */
const mostDifferences = 1_000;

/**
 * Asks for a run as soon as possible; one that waits already is the answer.
 * Errors: validation_failed (a date in the future).
 */
export async function requestReconciliation(
  db: Db,
  about: { provider: string; mode: string; since?: Date | undefined; audit: Audit },
): Promise<Reconciliation> {
  const { provider, mode, since = null, audit } = about;
  const rows = await ask(db<Reconciliation[]>`
    SELECT * FROM ducat.request_reconciliation(${provider}, ${mode}, ${since},
      ${db.json(audit)})`);
  return rows[0] as Reconciliation;
}

/**
 * Begins the run that waits, the one since the date, or the scheduled one; undefined while another
 * is running or none is due. It is ours until the lease lapses.
 * Errors: validation_failed (a date in the future).
 */
export async function startReconciliation(
  db: Db,
  about: {
    provider: string;
    mode: string;
    everySeconds: number;
    leaseSeconds: number;
    since?: Date | undefined;
  },
): Promise<Reconciliation | undefined> {
  const { provider, mode, everySeconds, leaseSeconds, since = null } = about;
  const [row] = await ask(db<Reconciliation[]>`
    SELECT * FROM ducat.start_reconciliation(${provider}, ${mode}, ${everySeconds},
      ${leaseSeconds}, ${since})`);
  return row;
}

/** Says that a run goes on; false when it is ours no more. */
export async function extendReconciliation(
  db: Db,
  id: string,
  { facts, leaseSeconds }: { facts: number; leaseSeconds: number },
): Promise<boolean> {
  const [row] = await ask(db<{ is_ours: boolean }[]>`
    SELECT ducat.extend_reconciliation(${id}, ${facts}, ${leaseSeconds}) AS is_ours`);
  return row?.is_ours ?? false;
}

/** Ends a run with what it found; undefined when it is ours no more. */
export async function finishReconciliation(
  db: Db,
  id: string,
  result: Pick<Reconciliation, "facts" | "differences" | "error"> & {
    status: "clean" | "differs" | "failed";
  },
): Promise<Reconciliation | undefined> {
  const kept = result.differences.slice(0, mostDifferences);
  const [row] = await ask(db<Reconciliation[]>`
    SELECT * FROM ducat.finish_reconciliation(${id}, ${result.status}, ${result.facts},
      ${db.json(kept)}, ${result.error})`);
  return row;
}

/** Runs, newest first. */
export async function listReconciliations(
  db: Db,
  filter: {
    provider?: string | undefined;
    status?: Reconciliation["status"] | undefined;
    beforeId?: string | undefined;
    limit: number;
  },
): Promise<Reconciliation[]> {
  const { provider = null, status = null, beforeId = null, limit } = filter;
  return ask(db<Reconciliation[]>`
    SELECT id, provider, mode, since, status, facts, differences, error, started_at, finished_at,
      created_at
    FROM ducat.reconciliations
    WHERE (${provider}::text IS NULL OR provider = ${provider})
      AND (${status}::text IS NULL OR status = ${status})
      AND (${beforeId}::uuid IS NULL OR id < ${beforeId})
    ORDER BY id DESC LIMIT ${limit}`);
}
