import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import { withAccount } from "./with-account.ts";

export type UsageEvent = {
  feature: string;
  amount: number;
  /** Once per account for 400 days: the same again is answered as the first time. */
  eventId: string;
  /** What a pass may be bound to. */
  subject?: string | undefined;
};

export type TrackedUsage = {
  feature: string;
  used: number;
  /** Null: no end. Of a stock that is spent: what was granted. */
  limit: number | null;
  remaining: number | null;
  resets_at: string | null;
  replayed: boolean;
};

/**
 * Takes of a feature, exactly up to its limit however many ask at once.
 * Errors: quota_exceeded {quota, limit, current, resets_at, upgrade}, idempotency_conflict,
 * not_found (what: account | feature), validation_failed (reason: not_counted), account_frozen.
 */
export async function trackUsage(
  db: Db,
  accountId: string,
  { feature, amount, eventId, subject }: UsageEvent,
): Promise<TrackedUsage> {
  const [row] = await ask(db<{ tracked: TrackedUsage }[]>`
    SELECT ducat.track_usage(${accountId}, ${feature}, ${amount}, ${eventId}, ${subject ?? null})
      AS tracked`);
  if (!row) throw new Error("track_usage returned no row");
  return row.tracked;
}

export type ReleasedUsage = TrackedUsage & {
  amount: number;
  /** How much of it can be used again: not what has ended meanwhile. */
  returned: number;
};

/** Gives what an event took back, once. Errors: not_found (what: usage). */
export async function releaseUsage(
  db: Db,
  accountId: string,
  eventId: string,
): Promise<ReleasedUsage> {
  const [row] = await ask(db<{ released: ReleasedUsage }[]>`
    SELECT ducat.release_usage(${accountId}, ${eventId}) AS released`);
  if (!row) throw new Error("release_usage returned no row");
  return row.released;
}

export type NewAllowance = {
  feature: string;
  amount: number;
  effectKey: string;
  expiresAt?: Date | undefined;
  reason?: string | undefined;
  /** Left out: nobody's deed, no audit line. */
  audit?: Audit | undefined;
};

export type Allowance = {
  id: string;
  feature: string;
  amount: number;
  expires_at: string | null;
  /** Of the whole stock, as it is now. */
  remaining: number;
  replayed: boolean;
};

/**
 * Gives stock of a feature that is spent, once per effect key.
 * Errors: not_found (what: account | feature), idempotency_conflict, validation_failed (reason:
 * not_spent | expires_at).
 */
export async function addAllowance(
  db: Db,
  accountId: string,
  { feature, amount, effectKey, expiresAt, reason, audit }: NewAllowance,
): Promise<Allowance> {
  const [row] = await ask(db<{ added: Allowance }[]>`
    SELECT ducat.add_allowance(${accountId}, ${feature}, ${amount}, ${effectKey},
      ${expiresAt ?? null}, ${reason ?? null},
      ${audit ? JSON.stringify(audit) : null}::text::jsonb) AS added`);
  if (!row) throw new Error("add_allowance returned no row");
  return row.added;
}

export type UsageFilter = {
  feature?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  beforeId?: string | undefined;
  limit: number;
};

export type UsageRow = {
  id: string;
  event_id: string;
  feature: string;
  amount: number;
  subject: string | null;
  /** Null: it stands. */
  released_at: Date | null;
  created_at: Date;
};

/** What was reported, newest first, `limit` at most. */
export function listUsage(db: Db, accountId: string, filter: UsageFilter): Promise<UsageRow[]> {
  const { feature, from, to, beforeId, limit } = filter;
  return withAccount(
    db,
    accountId,
    (sql) => sql<UsageRow[]>`
      SELECT id, event_id, feature, amount, subject, released_at, created_at
      FROM ducat.usage_logs
      WHERE account_id = ${accountId}
        ${feature ? sql`AND feature = ${feature}` : sql``}
        ${from ? sql`AND created_at >= ${from}` : sql``}
        ${to ? sql`AND created_at < ${to}` : sql``}
        ${beforeId ? sql`AND id < ${beforeId}` : sql``}
      ORDER BY id DESC LIMIT ${limit}`,
  );
}

/**
 * Forgets events and counters that are over for 400 days, the `limit` oldest of each (1,000 at
 * most), but no event whose places are still held. For workers: sees every account.
 */
export async function removeOldUsage(
  db: Db,
  limit: number,
): Promise<{ events: number; counters: number }> {
  const [row] = await ask(db<{ events: number; counters: number }[]>`
    SELECT * FROM ducat.remove_old_usage(${limit})`);
  return row ?? { events: 0, counters: 0 };
}
