import type { ImportPayment } from "../../../packages/db/src/imports.ts";
import type { Row } from "../former.ts";
import { table } from "../former-tables.ts";
import { findAmountFaults, nameCharge, oneOf, readWho } from "../read-person.ts";
import { measureInterval, readPlan } from "../read-plan.ts";
import {
  nameRow,
  readAmount,
  readCount,
  readCurrency,
  readRef,
  readText,
  readTime,
} from "../read-values.ts";
import type { Context, Person, System } from "../system.ts";
import { findNewest } from "./landscape.ts";

/**
 * The letter service: plans at Stripe, letters counted by month, letters by post as a stock that is
 * spent. It has no credits. What it kept of this month's letters is carried, so that nobody starts
 * anew; former letters stay where they are.
 */
export const letters: System = {
  tables: {
    users: table(`
      id! email! name|full_name email_verified|is_email_verified clerk_user_id|auth_id
      stripe_customer_id created_at`),
    subscriptions: table(`
      id user_id! status! plan! stripe_subscription_id! stripe_customer_id
      stripe_price_id|price_id current_period_start|period_start current_period_end|period_end
      cancel_at_period_end trial_ends_at|trial_end created_at`),
    subscription_usage: table(
      "user_id! period! letters_created|letters mail_credits|physical_credits|mail_credits_left",
      { isOptional: true },
    ),
    payments: table(
      `id! user_id! type! status! amount|amount_cents! currency
      stripe_payment_intent_id|payment_intent_id created_at|paid_at`,
      { isOptional: true },
    ),
    letters: table("user_id! created_at", { isOptional: true }),
    pricing_plans: table("plan! interval|billing_interval stripe_price_id|price_id", {
      isOptional: true,
    }),
  },
  drives: [
    {
      name: "users",
      kind: "user",
      ids: [["users", "id"]],
      parts: {
        profile: [{ table: "users", owner: "id" }],
        plan: [{ table: "subscriptions", owner: "user_id" }],
        stock: [{ table: "subscription_usage", owner: "user_id" }],
        payments: [{ table: "payments", owner: "user_id" }],
      },
      counts: [{ table: "letters", owner: "user_id", by: "all", isOfMonth: true }],
    },
  ],
  lists: ["pricing_plans"],
  controls: [],
  plans: [["subscriptions", "plan"]],
  read(person, context) {
    const user = oneOf(person, "users");
    const name = readText(user.name, 200);
    const who = readWho(
      {
        name,
        email: user.email,
        isEmailVerified: user.email_verified,
        subject: user.clerk_user_id,
      },
      context,
    );
    const subscription = findNewest(person.rows.subscriptions ?? []);
    const customer = readRef(subscription?.stripe_customer_id ?? user.stripe_customer_id);
    const plan = subscription
      ? readSubscription(person, { subscription, customer }, context)
      : { plan: null, passes: [], faults: [], warnings: [] };
    const usage = findUsage(person, context);
    const payments = readPayments(person, context);
    return {
      account: { name, email: who.email, created_at: readTime(user.created_at) },
      login: who.login,
      identity: who.identity,
      customers: customer === null ? [] : [{ provider: "stripe", ref: customer }],
      plan: plan.plan,
      passes: plan.passes,
      payments: payments.payments,
      allowances: readStock(person, usage, context),
      usage: readLetters(person, usage, context),
      faults: [
        ...findAmountFaults(usage?.mail_credits, usage?.letters_created),
        ...plan.faults,
        ...payments.faults,
      ],
      warnings: [...who.warnings, ...plan.warnings],
    };
  },
};

function readSubscription(
  person: Person,
  { subscription, customer }: { subscription: Row; customer: string | null },
  context: Context,
) {
  const name = readText(subscription.plan, 255) ?? "free";
  const period = {
    periodStart: readTime(subscription.current_period_start),
    periodEnd: readTime(subscription.current_period_end),
  };
  const isYear = measureInterval(period) === "year";
  const price = (context.lists.pricing_plans ?? []).find(
    (row) => row.plan === name && /year|annual/i.test(String(row.interval)) === isYear,
  );
  return readPlan(
    {
      ...period,
      key: nameRow("subscriptions", subscription.id ?? person.id),
      name,
      status: readText(subscription.status, 40) ?? "none",
      provider: "stripe",
      ref: readRef(subscription.stripe_subscription_id),
      customerRef: customer,
      planRef: readRef(subscription.stripe_price_id ?? price?.stripe_price_id),
      startedAt: readTime(subscription.created_at),
      trialEndsAt: readTime(subscription.trial_ends_at),
      endsWithPeriod: subscription.cancel_at_period_end === true,
    },
    context,
  );
}

const monthOf = (now: Date) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));

/** The month's row of what was used: their period is a date or `2025-11`. */
function findUsage({ rows }: Person, { now }: Context): Row | undefined {
  const month = now.toISOString().slice(0, 7);
  return rows.subscription_usage?.find((row) => String(row.period).startsWith(month));
}

/** Letters by post: those of the plan's month end with it, those that were bought stay. */
function readStock(person: Person, usage: Row | undefined, { offers, now }: Context) {
  const left = readCount(usage?.mail_credits) ?? 0;
  if (left === 0 || !offers.features.has("mail_credits")) return [];
  const ofMonth = Math.min(left, 2);
  const end = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString();
  const key = nameRow("subscription_usage", person.id);
  const feature = "mail_credits";
  return [
    { key: `${key}:month`, feature, amount: ofMonth, expires_at: end },
    { key: `${key}:bought`, feature, amount: left - ofMonth, expires_at: null },
  ].filter(({ amount }) => amount > 0);
}

function readLetters({ counts }: Person, usage: Row | undefined, { offers, now }: Context) {
  const counted = Object.values(counts.letters ?? {}).reduce((sum, count) => sum + count, 0);
  const used = Math.max(counted, readCount(usage?.letters_created) ?? 0);
  if (used === 0 || !offers.features.has("letters")) return [];
  return [{ feature: "letters", period_start: monthOf(now).toISOString(), used }];
}

function readPayments({ rows }: Person, { mapping, mode }: Context) {
  const faults: string[] = [];
  const payments: ImportPayment[] = [];
  for (const row of rows.payments ?? []) {
    const status = String(row.status).toLowerCase();
    if (status !== "succeeded" && status !== "refunded") continue;
    const currency = readCurrency(row.currency, mapping.currency);
    const amount = readAmount(row.amount, currency, { isMinor: true });
    const paid_at = readTime(row.created_at);
    if (amount === null || paid_at === null) {
      faults.push("payment_unreadable");
      continue;
    }
    payments.push({
      key: nameRow("payments", row.id),
      ...nameCharge("stripe", readRef(row.stripe_payment_intent_id), mode),
      provider: "stripe",
      purpose: row.type === "subscription" ? "invoice" : "pack",
      product: null,
      receipt_ref: null,
      card_mask: null,
      customer_ref: null,
      amount,
      currency,
      reversed: status === "refunded" ? amount : 0,
      paid_at,
    });
  }
  return { payments, faults };
}
