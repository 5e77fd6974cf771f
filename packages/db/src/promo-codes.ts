import type { Db } from "./connect.ts";
import type { Audit, CreditResult, RequestKey } from "./credits.ts";
import { ask } from "./errors.ts";

export type PromoCode = {
  id: string;
  code: string;
  credits: number;
  valid_days: number | null;
  subject: string | null;
  audience: "user" | "vendor" | null;
  max_redemptions: number | null;
  redemptions: number;
  starts_at: Date | null;
  expires_at: Date | null;
  is_active: boolean;
  created_at: Date;
};

export type NewPromoCode = {
  code: string;
  credits: number;
  valid_days?: number | undefined;
  subject?: string | undefined;
  audience?: "user" | "vendor" | undefined;
  max_redemptions?: number | undefined;
  starts_at?: Date | undefined;
  expires_at?: Date | undefined;
};

export type PromoCodeChange = {
  is_active?: boolean | undefined;
  /** Null: any number. */
  max_redemptions?: number | null | undefined;
  /** Null: for ever. */
  expires_at?: Date | null | undefined;
};

export type Redemption = CreditResult & {
  grant_id: string;
  code: string;
  credits: number;
  subject: string | null;
  expires_at: string | null;
};

/**
 * Gives an account the credits of a code, once. With a key a repeat gets the first answer.
 * Errors: not_found, invalid_state (extra.reason: redeemed, expired, used_up),
 * idempotency_conflict.
 */
export async function redeemCode(
  db: Db,
  accountId: string,
  { code, requestKey }: { code: string; requestKey?: RequestKey | undefined },
): Promise<Redemption> {
  const [row] = await ask(db<{ result: Redemption }[]>`
    SELECT ducat.redeem_code(${accountId}, ${code}, ${requestKey?.key ?? null},
      ${requestKey?.fingerprint ?? null}) AS result`);
  if (!row) throw new Error("redeem_code returned nothing");
  return row.result;
}

/** Errors: already_exists, validation_failed. */
export async function createPromoCode(
  db: Db,
  code: NewPromoCode,
  audit: Audit,
): Promise<PromoCode> {
  const [made] = await ask(db<PromoCode[]>`
    SELECT * FROM ducat.create_promo_code(${JSON.stringify(code)}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb)`);
  if (!made) throw new Error("create_promo_code returned nothing");
  return made;
}

/** Errors: not_found, invalid_state (fewer redemptions than there were). */
export async function updatePromoCode(
  db: Db,
  id: string,
  { audit, ...change }: PromoCodeChange & { audit: Audit },
): Promise<PromoCode> {
  const [changed] = await ask(db<PromoCode[]>`
    SELECT * FROM ducat.update_promo_code(${id}, ${JSON.stringify(change)}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb)`);
  if (!changed) throw new Error("update_promo_code returned nothing");
  return changed;
}

/** Codes, newest first, `limit` at most; those of one name with `code`. */
export function listPromoCodes(
  db: Db,
  filter: { code?: string | undefined; before?: string | undefined; limit: number },
): Promise<PromoCode[]> {
  return ask(db<PromoCode[]>`
    SELECT id, code, credits, valid_days, subject, audience, max_redemptions, redemptions,
      starts_at, expires_at, is_active, created_at
    FROM ducat.promo_codes
    WHERE true
      ${filter.code ? db`AND code = upper(${filter.code})` : db``}
      ${filter.before ? db`AND id < ${filter.before}` : db``}
    ORDER BY id DESC LIMIT ${filter.limit}`);
}
