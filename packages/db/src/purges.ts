import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

type Row = { removed: number; most?: number };

/** Removes the oldest, `limit` rows at most (1,000); whether there may be more. */
export type Purge = (db: Db, limit: number) => Promise<{ removed: number; isFull: boolean }>;

/** The same, through all of a table, from a place on; `next` is where to go on while `isFull`. */
export type Walk = (
  db: Db,
  page: { after: string | null; limit: number },
) => Promise<{ removed: number; isFull: boolean; next: string | null }>;

const purge =
  (call: (db: Db, limit: number) => PromiseLike<Row[]>): Purge =>
  async (db, limit) => {
    const [row] = await ask(call(db, limit));
    const { removed = 0, most = removed } = row ?? {};
    return { removed, isFull: most >= limit };
  };

type Page = { removed: number; lastId: string | null };
const walk =
  (call: (db: Db, after: string | null, limit: number) => PromiseLike<Page[]>): Walk =>
  async (db, { after, limit }) => {
    const [row] = await ask(call(db, after, limit));
    const { removed = 0, lastId = null } = row ?? {};
    // As much as was allowed, of the first account that was looked at: there may be more of it.
    const isStuck = lastId === null && removed >= limit;
    return { removed, isFull: lastId !== null || isStuck, next: isStuck ? after : lastId };
  };

/** First answers of requests, after 30 days. */
export const forgetAnswers = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_answers(${limit}) AS removed`,
);

/** Codes, links and questions for a second factor that are over. */
export const forgetCodes = purge(
  (db, limit) => db<Row[]>`SELECT removed, most FROM ducat.forget_codes(${limit})`,
);

/** Counters of requests whose window is over. */
export const forgetLimits = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_limits(${limit}) AS removed`,
);

/** How far the work on items was, when nobody has said so for an hour. */
export const forgetProgress = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_progress(${limit}) AS removed`,
);

/** Deleted endpoints of webhooks and idle hosts, and what still waited for those that ended. */
export const forgetEndpoints = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_endpoints(${limit}) AS removed`,
);

/** Runs of reconciliation, after 90 days. */
export const forgetReconciliations = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_reconciliations(${limit}) AS removed`,
);

/** What the sandbox is done with, after 400 days. */
export const forgetSandboxDocuments = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_sandbox_documents(${limit}) AS removed`,
);

/** Audit lines, after as many days as the setting audit_retention_days says; leaves a line. */
export const forgetAuditLines = purge(
  (db, limit) => db<Row[]>`SELECT ducat.forget_audit_lines(${limit}) AS removed`,
);

/** Events of the outbox, after 31 days. */
export const forgetEvents = walk(
  (db, after, limit) => db<Page[]>`
    SELECT removed, last_id AS "lastId" FROM ducat.forget_events(${after}::uuid, ${limit})`,
);

/** Deliveries of webhooks that have ended, after 30 days. */
export const forgetDeliveries = walk(
  (db, after, limit) => db<Page[]>`
    SELECT removed, last_id AS "lastId" FROM ducat.forget_deliveries(${after}::uuid, ${limit})`,
);

/** Messages that have ended, after 90 days. */
export const forgetMessages = walk(
  (db, after, limit) => db<Page[]>`
    SELECT removed, last_id AS "lastId" FROM ducat.forget_messages(${after}::uuid, ${limit})`,
);

/** Moves of test clocks, after 30 days. */
export const forgetClockRuns = walk(
  (db, after, limit) => db<Page[]>`
    SELECT removed, last_id AS "lastId" FROM ducat.forget_clock_runs(${after}::uuid, ${limit})`,
);

/** Sessions that have ended or run out, after 30 days. */
export const forgetSessions = walk(
  (db, after, limit) => db<Page[]>`
    SELECT removed, last_id AS "lastId" FROM ducat.forget_sessions(${after}::uuid, ${limit})`,
);
