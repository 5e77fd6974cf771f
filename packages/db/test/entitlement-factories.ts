import { randomUUID } from "node:crypto";
import type { Account } from "../src/accounts.ts";
import type { Db } from "../src/connect.ts";
import { assignPlan } from "../src/entitlements.ts";
import { makeOffer, makePaid } from "./billing-factories.ts";
import { makeAccount } from "./factories.ts";

export const audit = { actor: "test", request_id: "test", ip: null };

const named = { name: { en: "F" }, position: 0 };
export const flag = (enabled: boolean) => ({ kind: "flag", ...named, enabled });
export const held = (limit: number | null) => ({ kind: "stock", ...named, counts: "held", limit });
export const spent = { kind: "stock", ...named, counts: "spent" };
export const limited = (
  limit: number | null,
  period: "hour" | "day" | "month" | "request" = "month",
  reset: "calendar" | "anchor" = "calendar",
) => ({ kind: "limit", ...named, period, reset, limit });

export type Features = Record<string, Record<string, unknown>>;
type More = NonNullable<Parameters<typeof makeOffer>[1]> & {
  features?: Features;
  limits?: Record<string, number>;
  rate_limits?: Record<string, number>;
};

/** A product with features, at USD 9.00: a plan for a month unless it is told otherwise. */
export async function makeFeatured(admin: Db, more: More = {}) {
  const { features = {}, limits = {}, rate_limits = {}, ...columns } = more;
  const product = { kind: "plan" as const, credits: 0, ...columns };
  const interval = product.kind === "plan" ? "month" : "once";
  const offer = await makeOffer(admin, product, { interval });
  await admin`
    UPDATE ducat.products SET features = ${JSON.stringify(features)}::text::jsonb,
      limits = ${JSON.stringify(limits)}::text::jsonb,
      rate_limits = ${JSON.stringify(rate_limits)}::text::jsonb
    WHERE id = ${offer.product.id}`;
  return offer;
}

/** An account on a plan of its own, by an administrator's word. */
export async function makeEntitled(
  { app, admin }: { app: Db; admin: Db },
  features: Features,
  more: More = {},
): Promise<Account & { plan: string }> {
  const { product } = await makeFeatured(admin, { ...more, features });
  const account = await makeAccount(app);
  await assignPlan(app, account.id, { plan: product.key, audit });
  return { ...account, plan: product.key };
}

/** A pass that an account has bought, for ten days unless it is told otherwise. */
export async function givePass(
  { app, admin }: { app: Db; admin: Db },
  accountId: string,
  { features, subject, days = 10 }: { features: Features; subject?: string; days?: number },
): Promise<string> {
  const more = { kind: "pass", credits: 1, valid_days: days, features } as const;
  const { product, price } = await makeFeatured(admin, more);
  await makePaid(app, accountId, {
    purpose: "pass",
    priceId: price.id,
    ...(subject && { subject }),
  });
  return product.key;
}

export const eventId = () => `event-${randomUUID()}`;

/** Seconds from an account's time to a moment, for its clock. */
export async function secondsUntil(admin: Db, accountId: string, moment: string): Promise<number> {
  const [row] = await admin<{ seconds: number }[]>`
    SELECT ceil(extract(epoch FROM ${moment}::timestamptz - clock_timestamp() - clock_offset))::int
      AS seconds
    FROM ducat.credit_accounts WHERE account_id = ${accountId}`;
  return row?.seconds ?? 0;
}
