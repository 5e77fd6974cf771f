import { createHash, randomUUID } from "node:crypto";
import { type Account, createAccount } from "../src/accounts.ts";
import type { Db } from "../src/connect.ts";
import { grantCredits } from "../src/credits.ts";
import {
  type CreatedGeneration,
  createGeneration,
  type NewGeneration,
} from "../src/generations.ts";

/** An account of its own; its trial gives three credits unless `credits` adds purchased ones. */
export async function makeAccount(db: Db, credits = 0): Promise<Account> {
  const { account } = await createAccount(db, { external_id: `x-${randomUUID()}`, kind: "user" });
  if (credits > 0) await givePurchase(db, account.id, credits);
  return account;
}

export function givePurchase(
  db: Db,
  accountId: string,
  amount: number,
  more: { expiresAt?: Date; validForSeconds?: number; subject?: string } = {},
) {
  const effectKey = `test:${randomUUID()}`;
  return grantCredits(db, accountId, { source: "purchase", amount, effectKey, ...more });
}

/** A key and a fingerprint that nothing else uses. */
export function makeKey(text: string = randomUUID()) {
  return { key: text, fingerprint: createHash("sha256").update(text).digest() };
}

/** A one-credit picture from a prompt, one item per label. */
export function makeGeneration(
  db: Db,
  accountId: string,
  more: Partial<NewGeneration> = {},
): Promise<CreatedGeneration> {
  return createGeneration(db, accountId, {
    ...makeKey(),
    style: "modern_minimalist",
    input: { type: "text", prompt: "a garden" },
    params: {},
    labels: [null],
    ...more,
  });
}

/** What expires of an account's grants is due now by the clock on the wall, and not booked yet. */
export async function letExpire(admin: Db, accountId: string): Promise<void> {
  await admin`
    UPDATE ducat.credit_grants SET expires_at = clock_timestamp() - interval '1 second'
    WHERE account_id = ${accountId} AND expires_at IS NOT NULL`;
  await admin`
    UPDATE ducat.credit_accounts SET next_expiry_at = clock_timestamp() - interval '1 second'
    WHERE account_id = ${accountId}`;
}
