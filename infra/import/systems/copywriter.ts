import type { ImportPayment } from "../../../packages/db/src/imports.ts";
import { table } from "../former-tables.ts";
import { findAmountFaults, grantOf, nameCharge, oneOf, readWho } from "../read-person.ts";
import { readPlan } from "../read-plan.ts";
import { nameRow, readAmount, readCurrency, readRef, readText, readTime } from "../read-values.ts";
import type { Context, Person, System } from "../system.ts";
import { findNewest } from "./landscape.ts";

/**
 * The product-description app: people are Firebase's and have no row of their own; a balance that
 * is filled each month, plans at Lemon Squeezy, payments in major units. Its usage is counted and
 * stays where it is.
 */
export const copywriter: System = {
  tables: {
    user_credits: table(
      "user_id! current_credits! period_start period_end next_credit_refill created_at",
    ),
    user_subscriptions: table(`
      id! user_id! plan_id! status! current_period_start! current_period_end! cancel_at_period_end
      lemon_squeezy_subscription_id! lemon_squeezy_customer_id trial_end created_at`),
    subscription_plans: table("id! currency billing_interval lemon_squeezy_variant_id"),
    payment_history: table(`
      id! user_id! amount! currency! status! lemon_squeezy_order_id lemon_squeezy_customer_id
      transaction_type created_at processed_at`),
    usage_logs: table("user_id! usage_type", { isOptional: true }),
  },
  drives: [
    {
      name: "user_credits",
      kind: "user",
      ids: [
        ["user_credits", "user_id"],
        ["user_subscriptions", "user_id"],
        ["payment_history", "user_id"],
      ],
      parts: {
        credits: [{ table: "user_credits", owner: "user_id" }],
        plan: [{ table: "user_subscriptions", owner: "user_id" }],
        payments: [{ table: "payment_history", owner: "user_id" }],
      },
      counts: [{ table: "usage_logs", owner: "user_id", by: "usage_type" }],
    },
  ],
  lists: ["subscription_plans"],
  controls: [{ source: "subscription", table: "user_credits", column: "current_credits" }],
  plans: [["subscription_plans", "id"]],
  read(person, context) {
    const credits = oneOf(person, "user_credits");
    const who = readWho({ name: null, subject: person.id }, context);
    const plan = readSubscription(person, context);
    const payments = readPayments(person, context);
    return {
      account: { created_at: readTime(credits.created_at) },
      identity: who.identity,
      customers: listCustomers(person),
      plan: plan.plan,
      passes: plan.passes,
      payments: payments.payments,
      grants: grantOf("user_credits", person.id, {
        source: "subscription",
        amount: credits.current_credits,
        monthly: true,
        expiresAt: readTime(credits.next_credit_refill) ?? readTime(credits.period_end),
        description: "Credits from before",
      }),
      faults: [...findAmountFaults(credits.current_credits), ...plan.faults, ...payments.faults],
      warnings: [...who.warnings, ...plan.warnings],
    };
  },
};

function readSubscription(person: Person, context: Context) {
  const subscription = findNewest(person.rows.user_subscriptions ?? []);
  if (!subscription) return { plan: null, passes: [], faults: [], warnings: [] };
  const planId = readText(subscription.plan_id, 255) ?? "";
  const sold = context.lists.subscription_plans?.find((row) => row.id === planId);
  const currency = readText(sold?.currency, 3);
  return readPlan(
    {
      key: nameRow("user_subscriptions", subscription.id),
      name: planId,
      status: readText(subscription.status, 40) ?? "none",
      provider: "lemonsqueezy",
      ref: readRef(subscription.lemon_squeezy_subscription_id),
      customerRef: readRef(subscription.lemon_squeezy_customer_id),
      planRef: readRef(sold?.lemon_squeezy_variant_id),
      ...(currency !== null && { currency: currency.toUpperCase() }),
      startedAt: readTime(subscription.created_at),
      periodStart: readTime(subscription.current_period_start),
      periodEnd: readTime(subscription.current_period_end),
      endsWithPeriod: subscription.cancel_at_period_end === true,
      trialEndsAt: readTime(subscription.trial_end),
    },
    context,
  );
}

/** The customer of the subscription that counts, else of any payment. */
function listCustomers({ rows }: Person) {
  const refs = [findNewest(rows.user_subscriptions ?? []), ...(rows.payment_history ?? [])]
    .map((row) => readRef(row?.lemon_squeezy_customer_id))
    .filter((ref) => ref !== null);
  return refs.slice(0, 1).map((ref) => ({ provider: "lemonsqueezy", ref }));
}

const paid = new Set(["completed", "succeeded", "paid", "refunded"]);

function readPayments({ rows }: Person, { mapping, mode }: Context) {
  const faults: string[] = [];
  const payments: ImportPayment[] = [];
  for (const row of rows.payment_history ?? []) {
    const status = String(row.status).toLowerCase();
    if (!paid.has(status)) continue;
    const currency = readCurrency(row.currency, mapping.currency);
    const amount = readAmount(row.amount, currency);
    const paid_at = readTime(row.processed_at) ?? readTime(row.created_at);
    if (amount === null || paid_at === null) {
      faults.push("payment_unreadable");
      continue;
    }
    payments.push({
      key: nameRow("payment_history", row.id),
      ...nameCharge("lemonsqueezy", readRef(row.lemon_squeezy_order_id), mode),
      provider: "lemonsqueezy",
      purpose: row.transaction_type === "subscription" ? "invoice" : "pack",
      product: null,
      receipt_ref: null,
      card_mask: null,
      customer_ref: readRef(row.lemon_squeezy_customer_id),
      amount,
      currency,
      reversed: status === "refunded" ? amount : 0,
      paid_at,
    });
  }
  return { payments, faults };
}
