import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

type Mode = "test" | "live";
type Money = { amount: number; currency: string };

/** Auto-reload as its account sees it. Credits are whole; money in minor units. */
export type AutoReload = {
  enabled: boolean;
  threshold: number;
  price_id: string;
  provider: string;
  /** The credits that one reload buys, and what it costs. */
  amount: number;
  price: Money;
  product: { key: string; name: Record<string, string> };
  monthly_cap: number | null;
  /** Paid in this calendar month (UTC), or still open, in the price's currency. */
  spent_this_month: number;
  failures: number;
  /** failures, method_removed, customer_removed or price_retired, where we switched it off. */
  disabled_reason: string | null;
  last_attempt_at: Date | null;
  consented_at: Date | null;
  /** Whether a card is saved that can be charged; without one a link to pay is sent. */
  has_method: boolean;
};

type AutoReloadRow = Omit<AutoReload, "price" | "product"> & {
  price_amount: number;
  price_currency: string;
  product_key: string;
  product_name: Record<string, string>;
};

/** The settings of auto-reload; undefined where it was never set. */
export async function getAutoReload(db: Db, accountId: string): Promise<AutoReload | undefined> {
  const [row] = await ask(db<AutoReloadRow[]>`
    SELECT * FROM ducat.get_auto_reload(${accountId})`);
  if (!row) return undefined;
  const { price_amount, price_currency, product_key, product_name, ...rest } = row;
  return {
    ...rest,
    price: { amount: price_amount, currency: price_currency },
    product: { key: product_key, name: product_name },
  };
}

export type AutoReloadSettings = {
  enabled: boolean;
  threshold: number;
  priceId: string;
  provider: string;
  /** The most money in a calendar month (UTC), in the price's currency; left out: no cap. */
  monthlyCap?: number | undefined;
  /** The customer agrees to be charged while they are away; needed to switch it on. */
  consent: boolean;
};

/**
 * Switches auto-reload on or off. Errors: not_found (the price is not sold to this account),
 * validation_failed (extra.what: threshold, pack, monthly_cap, consent).
 */
export async function setAutoReload(
  db: Db,
  accountId: string,
  settings: AutoReloadSettings,
): Promise<AutoReload> {
  const { enabled, threshold, priceId, provider, monthlyCap, consent } = settings;
  await ask(db`
    SELECT ducat.set_auto_reload(${accountId}, ${enabled}, ${threshold}, ${priceId}, ${provider},
      ${monthlyCap ?? null}, ${consent})`);
  const reload = await getAutoReload(db, accountId);
  if (!reload) throw new Error("set_auto_reload wrote nothing");
  return reload;
}

/** Accounts whose reload is due, longest due first. */
export async function findDueReloads(db: Db, limit = 100): Promise<string[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.find_due_reloads(${limit}) AS id`);
  return rows.map((row) => row.id);
}

/** A charge of a saved card: what a provider is asked with, the same at every repeat. */
export type ReloadCharge = {
  /** The key that the provider hears. */
  attempt_id: string;
  status: "reserved" | "sent" | "processing" | "unknown";
  account_id: string;
  payment_id: string;
  reference: string;
  provider: string;
  mode: Mode;
  /** The provider's charge, once it told one. */
  provider_ref: string | null;
  customer_ref: string;
  method_ref: string;
  money: Money;
  /** The pack, by language. */
  name: Record<string, string>;
  created_at: Date;
};

type NoReload =
  | "not_due"
  | "off"
  | "frozen"
  | "above"
  | "quarantined"
  | "failures"
  | "attempt_open"
  | "later"
  | "price_retired"
  | "cap"
  | "link_sent";

export type Reservation =
  | { action: "charge"; charge: ReloadCharge }
  /** The customer has been sent a link to pay this payment. */
  | { action: "link"; paymentId: string }
  | { action: "none"; reason: NoReload };

/**
 * Decides about a reload that is due, and writes its payment and attempt down before anybody is
 * asked for money. `charging` are the providers that can charge a saved card here. Of parallel
 * calls one reserves. Errors: not_found.
 */
export async function reserveReload(
  db: Db,
  accountId: string,
  how: { mode: Mode; charging: readonly string[] },
): Promise<Reservation> {
  const rows = await ask(db<
    { action: string; reason: NoReload; attempt_id: string; payment_id: string }[]
  >`
    SELECT * FROM ducat.reserve_reload(${accountId}, ${how.mode}, ${[...how.charging]})`);
  const [row] = rows;
  if (row?.action === "link") return { action: "link", paymentId: row.payment_id };
  if (row?.action !== "charge") return { action: "none", reason: row?.reason ?? "not_due" };
  const charge = await findReloadCharge(db, row.attempt_id);
  if (!charge) throw new Error("a reload was reserved without its attempt");
  return { action: "charge", charge };
}

/** A charge by its attempt; undefined when there is none. */
export async function findReloadCharge(
  db: Db,
  attemptId: string,
): Promise<ReloadCharge | undefined> {
  const [row] = await ask(db<(Omit<ReloadCharge, "money"> & Money)[]>`
    SELECT * FROM ducat.read_reload_charge(${attemptId})`);
  if (!row) return undefined;
  const { amount, currency, ...rest } = row;
  return { ...rest, money: { amount, currency } };
}

/** Says that the provider is asked now; false when the attempt has ended: ask nobody. */
export async function markSent(db: Db, attemptId: string): Promise<boolean> {
  const [row] = await ask(db<{ sent: boolean }[]>`
    SELECT ducat.mark_sent(${attemptId}) AS sent`);
  return row?.sent ?? false;
}

export type ReloadResult =
  /** Stays open until its payment is settled. */
  | { status: "succeeded" | "processing"; paymentRef: string }
  /** Nothing was charged: a link is sent, and the third in a row switches auto-reload off. */
  | { status: "needs_customer" | "failed"; code: string; paymentRef?: string | undefined }
  /** Stays open and is looked up again. */
  | { status: "unknown" }
  /** Nobody was ever asked for it, nor will be. */
  | { status: "expired" };

/**
 * Writes down how a charge ended. Returns whether that was news: two reports of one decline count
 * once, and success is what settlePayment says. Errors: not_found.
 */
export async function recordReload(
  db: Db,
  attemptId: string,
  result: ReloadResult,
): Promise<boolean> {
  const code = "code" in result ? result.code : null;
  const ref = "paymentRef" in result ? result.paymentRef : null;
  const [row] = await ask(db<{ changed: boolean }[]>`
    SELECT ducat.record_reload(${attemptId}, ${result.status}, ${code}, ${ref ?? null})
      AS changed`);
  return row?.changed ?? false;
}

/** Takes charges whose sender is gone or whose outcome isn't known, for two minutes. */
export async function findDueAttempts(db: Db, limit = 20): Promise<ReloadCharge[]> {
  const rows = await ask(db<{ id: string }[]>`
    SELECT id FROM ducat.find_due_attempts(${limit}) AS id`);
  const charges = await Promise.all(rows.map(({ id }) => findReloadCharge(db, id)));
  return charges.filter((charge) => charge !== undefined);
}
