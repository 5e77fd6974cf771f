import type { Db } from "./connect.ts";
import { type EntryFilter, type EntrySlice, matchEntries } from "./entry-filter.ts";
import { ask } from "./errors.ts";
import { withAccount } from "./with-account.ts";

/** What every credit function answers: the ledger line's seq and the balance after it. */
export type CreditResult = {
  seq: number;
  available: number;
  held: number;
  debt: number;
  replayed: boolean;
};

export type Balance = {
  available: number;
  trial_credits: number;
  token_balance: number;
  bound: { subject: string; remaining: number; expires_at: string | null }[];
  held: number;
  debt: number;
  frozen: boolean;
  /** Of the subscription that runs: what its period has given and what of that was spent. */
  period: { start: string; end: string; granted: number; used: number } | null;
  next_refill_at: string | null;
  lifetime: { granted: number; used: number; expired: number };
  grants: {
    id: string;
    source: GrantSource;
    amount: number;
    remaining: number;
    subject: string | null;
    expires_at: string | null;
  }[];
};

export type GrantSource =
  | "trial"
  | "purchase"
  | "subscription"
  | "auto_reload"
  | "promo"
  | "adjustment";

export type Entry = {
  seq: number;
  type: string;
  amount: number;
  available_after: number;
  generation_id: string | null;
  item_id: string | null;
  hold_id: string | null;
  payment_id: string | null;
  description: string | null;
  created_at: Date;
};

/** Who did it, for the audit line, and why in their own words where they were asked. */
export type Audit = {
  actor: string;
  request_id: string;
  ip: string | null;
  why?: string | undefined;
};

/** A request's idempotency key and the hash of what it asked. */
export type RequestKey = { key: string; fingerprint: Uint8Array };

/**
 * Gives credits once per effect key. A repeat returns the first answer.
 * Errors: idempotency_conflict (the effect key gave something else), not_found.
 */
export async function grantCredits(
  db: Db,
  accountId: string,
  grant: {
    source: GrantSource;
    amount: number;
    effectKey: string;
    expiresAt?: Date;
    validForSeconds?: number;
    subject?: string;
    paymentId?: string;
    description?: string;
  },
): Promise<CreditResult & { grant_id: string }> {
  const rows = await ask(db<{ result: CreditResult & { grant_id: string } }[]>`
    SELECT ducat.grant_credits(${accountId}, ${grant.source}, ${grant.amount},
      ${grant.effectKey}, ${grant.expiresAt ?? null},
      make_interval(secs => ${grant.validForSeconds ?? null}), ${grant.subject ?? null},
      ${grant.paymentId ?? null}, ${grant.description ?? null}) AS result`);
  return only(rows).result;
}

export type Spend = RequestKey & {
  amount: number;
  description?: string | undefined;
  subject?: string | undefined;
};

/**
 * Spends at once. Errors: insufficient_credits, idempotency_conflict, not_found, account_frozen.
 */
export async function consumeCredits(
  db: Db,
  accountId: string,
  spend: Spend,
): Promise<CreditResult & { trial: number }> {
  const rows = await ask(db<{ result: CreditResult & { trial: number } }[]>`
    SELECT ducat.consume_credits(${accountId}, ${spend.amount}, ${spend.key},
      ${spend.fingerprint}, ${spend.description ?? null}, ${spend.subject ?? null}) AS result`);
  return only(rows).result;
}

export type HoldResult = CreditResult & {
  id: string;
  amount: number;
  status: "open" | "captured" | "released" | "expired";
};

/** Sets credits aside. Errors: as consumeCredits. */
export async function holdCredits(
  db: Db,
  accountId: string,
  hold: Spend & { expiresInSeconds: number },
): Promise<HoldResult & { expires_at: string }> {
  const rows = await ask(db<{ result: HoldResult & { expires_at: string } }[]>`
    SELECT ducat.hold_credits(${accountId}, ${hold.amount}, ${hold.expiresInSeconds}, ${hold.key},
      ${hold.fingerprint}, ${hold.description ?? null}, ${hold.subject ?? null}) AS result`);
  return only(rows).result;
}

/**
 * Spends `amount` of an open hold and gives the rest back; 0 releases it all.
 * Errors: not_found, invalid_state (closed in another way), validation_failed (more than held).
 */
export async function captureHold(
  db: Db,
  accountId: string,
  capture: { holdId: string; amount: number },
): Promise<HoldResult & { captured: number; released: number }> {
  const rows = await ask(db<{ result: HoldResult & { captured: number; released: number } }[]>`
    SELECT ducat.capture_hold(${accountId}, ${capture.holdId}, ${capture.amount}) AS result`);
  return only(rows).result;
}

/**
 * Corrects a balance by hand, with an audit line.
 * Errors: insufficient_credits (a negative amount beyond what is there), idempotency_conflict,
 * not_found.
 */
export async function adjustCredits(
  db: Db,
  accountId: string,
  change: RequestKey & { amount: number; reason: string; audit: Audit },
): Promise<CreditResult> {
  const rows = await ask(db<{ result: CreditResult }[]>`
    SELECT ducat.adjust_credits(${accountId}, ${change.amount}, ${change.reason}, ${change.key},
      ${change.fingerprint}, ${JSON.stringify(change.audit)}::text::jsonb) AS result`);
  return only(rows).result;
}

/**
 * Makes what was taken back for a grant equal to what its payment's reversals stand for.
 * Errors: not_found.
 */
export async function clawBack(
  db: Db,
  accountId: string,
  claw: { grantId: string; reversed: number; description?: string },
): Promise<CreditResult & { taken: number }> {
  const rows = await ask(db<{ result: CreditResult & { taken: number } }[]>`
    SELECT ducat.claw_back(${accountId}, ${claw.grantId}, ${claw.reversed},
      ${claw.description ?? null}) AS result`);
  return only(rows).result;
}

/** Sets or lifts one reason to freeze an account; returns the reasons that remain. */
export async function freezeAccount(
  db: Db,
  accountId: string,
  freeze: { reason: string; frozen: boolean; audit: Audit },
): Promise<string[]> {
  const rows = await ask(db<{ reasons: string[] }[]>`
    SELECT ducat.freeze_account(${accountId}, ${freeze.reason}, ${freeze.frozen},
      ${JSON.stringify(freeze.audit)}::text::jsonb) AS reasons`);
  return only(rows).reasons;
}

/** What an account has now. Undefined when there is no such account. */
export async function findBalance(db: Db, accountId: string): Promise<Balance | undefined> {
  const rows = await ask(db<{ balance: Balance | null }[]>`
    SELECT ducat.get_credit_balance(${accountId}) AS balance`);
  return only(rows).balance ?? undefined;
}

/** Ledger lines, newest first, `limit` at most. */
export function listEntries(
  db: Db,
  accountId: string,
  { beforeSeq, floorSeq, limit, ...filter }: EntryFilter & EntrySlice,
): Promise<Entry[]> {
  return withAccount(
    db,
    accountId,
    (sql) => sql<Entry[]>`
      SELECT seq, type, amount, available_after, generation_id, item_id, hold_id, payment_id,
        description, created_at
      FROM ducat.credit_entries WHERE ${matchEntries(sql, accountId, filter)}
        ${beforeSeq ? sql`AND seq < ${beforeSeq}` : sql``}
        ${floorSeq ? sql`AND seq >= ${floorSeq}` : sql``}
      ORDER BY seq DESC LIMIT ${limit}`,
  );
}

/** How many ledger lines a filter matches. */
export async function countEntries(
  db: Db,
  accountId: string,
  filter: EntryFilter,
): Promise<number> {
  const rows = await withAccount(
    db,
    accountId,
    (sql) => sql<{ total: number }[]>`
      SELECT count(*) AS total
      FROM ducat.credit_entries WHERE ${matchEntries(sql, accountId, filter)}`,
  );
  return only(rows).total;
}

/** Moves an account's business time ahead and books what fell due. For test mode only. */
export async function advanceClock(db: Db, accountId: string, seconds: number): Promise<Date> {
  const rows = await ask(db<{ at: Date }[]>`
    SELECT ducat.advance_clock(${accountId}, ${seconds}) AS at`);
  return only(rows).at;
}

/**
 * Books what has expired, account by account; returns how many accounts had something. One that
 * can't be booked keeps no other from it: its error is thrown when all have had their turn.
 */
export async function expireDue(db: Db, limit = 100): Promise<number> {
  const due = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.find_expiring_accounts(${limit}) AS id`);
  const errors: unknown[] = [];
  for (const { id } of due) {
    await ask(db`SELECT ducat.expire_account(${id})`).catch((error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
  return due.length;
}

function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error("a function returned no row");
  return row;
}
