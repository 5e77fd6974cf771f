import type { Row } from "../former.ts";
import { table } from "../former-tables.ts";
import { findAmountFaults, grantOf, oneOf, readWho } from "../read-person.ts";
import { readPlan } from "../read-plan.ts";
import { nameRow, readRef, readText, readTime } from "../read-values.ts";
import type { Context, Person, System } from "../system.ts";

/**
 * The landscape-design app: a trial and a tier on the user, tokens on an account of their own, one
 * subscription at Stripe. Its transactions have no amounts of money, so no payment is carried; its
 * uploads end by themselves within days.
 */
export const landscape: System = {
  tables: {
    users: table(`
      id! email! firebase_uid stripe_customer_id trial_remaining! subscription_tier
      subscription_status email_verified|is_email_verified is_active created_at last_login_at`),
    users_token_accounts: table("id user_id! balance!"),
    profiles: table("person|user_id|id! full_name avatar_url", { isOptional: true }),
    subscriptions: table(
      `id user_id! stripe_subscription_id! status! plan|plan_id|tier stripe_price_id|price_id
      current_period_start|period_start current_period_end|period_end cancel_at_period_end
      created_at`,
      { isOptional: true },
    ),
    users_token_transactions: table("user_id! transaction_type|type!", { isOptional: true }),
    generations: table("user_id! status!", { isOptional: true }),
    styles: table(
      `id! slug|key name! description prompt_template|prompt!
      config|gemini_config|model_config is_active|active`,
      { isOptional: true },
    ),
    admin_config: table("key! value!", { isOptional: true }),
  },
  drives: [
    {
      name: "users",
      kind: "user",
      ids: [["users", "id"]],
      parts: {
        profile: [
          { table: "users", owner: "id" },
          { table: "profiles", owner: "person" },
        ],
        credits: [{ table: "users_token_accounts", owner: "user_id" }],
        plan: [{ table: "subscriptions", owner: "user_id" }],
      },
      counts: [
        { table: "generations", owner: "user_id", by: "status" },
        { table: "users_token_transactions", owner: "user_id", by: "transaction_type" },
      ],
    },
  ],
  lists: [],
  controls: [
    { source: "trial", table: "users", column: "trial_remaining" },
    { source: "purchase", table: "users_token_accounts", column: "balance" },
  ],
  plans: [["users", "subscription_tier"]],
  read(person, context) {
    const user = oneOf(person, "users");
    const profile = oneOf(person, "profiles");
    const tokens = person.rows.users_token_accounts ?? [];
    const name = readText(profile.full_name, 200);
    const who = readWho(
      {
        name,
        email: user.email,
        isEmailVerified: user.email_verified,
        subject: user.firebase_uid,
      },
      context,
    );
    const subscription = findNewest(person.rows.subscriptions ?? []);
    const plan = readTier(person, { user, subscription }, context);
    const customer = readRef(user.stripe_customer_id);
    const avatar = readText(profile.avatar_url, 2048);
    return {
      account: {
        name,
        email: who.email,
        is_active: user.is_active !== false,
        created_at: readTime(user.created_at),
        last_login_at: readTime(user.last_login_at),
      },
      login: who.login,
      identity: who.identity,
      customers: customer === null ? [] : [{ provider: "stripe", ref: customer }],
      plan: plan.plan,
      passes: plan.passes,
      grants: [
        ...grantOf("users", person.id, {
          source: "trial",
          amount: user.trial_remaining,
          description: "Free trial",
        }),
        ...tokens.flatMap((row) =>
          grantOf("users_token_accounts", row.id ?? person.id, {
            source: "purchase",
            amount: row.balance,
            description: "Credits from before",
          }),
        ),
      ],
      files: avatar
        ? [
            {
              key: nameRow("profiles", person.id),
              purpose: "avatar",
              url: avatar,
              details: {},
            },
          ]
        : [],
      faults: [
        ...findAmountFaults(user.trial_remaining, ...tokens.map((row) => row.balance)),
        ...plan.faults,
      ],
      warnings: [...who.warnings, ...plan.warnings],
    };
  },
};

/** The tier that the user has; Stripe's subscription tells how long. */
function readTier(
  person: Person,
  { user, subscription }: { user: Row; subscription: Row | undefined },
  context: Context,
) {
  const name = readText(user.subscription_tier, 255) ?? "free";
  const status =
    readText(subscription?.status, 40) ?? readText(user.subscription_status, 40) ?? "inactive";
  return readPlan(
    {
      key: nameRow("subscriptions", subscription?.id ?? person.id),
      name: readText(subscription?.plan, 255) ?? name,
      status: name === "free" && !subscription ? "inactive" : status,
      provider: "stripe",
      ref: readRef(subscription?.stripe_subscription_id),
      customerRef: readRef(user.stripe_customer_id),
      planRef: readRef(subscription?.stripe_price_id),
      startedAt: readTime(subscription?.created_at),
      periodStart: readTime(subscription?.current_period_start),
      periodEnd: readTime(subscription?.current_period_end),
      endsWithPeriod: subscription?.cancel_at_period_end === true,
    },
    context,
  );
}

/** Of several subscriptions the one that runs, else the one that ends last. */
export function findNewest(rows: Row[]): Row | undefined {
  const runs = (row: Row) => /^(active|trialing|past_due|on_trial)$/i.test(String(row.status));
  const endOf = (row: Row) => `${readTime(row.current_period_end) ?? ""} ${String(row.id)}`;
  return [...rows].sort(
    (one, other) => Number(runs(other)) - Number(runs(one)) || (endOf(one) < endOf(other) ? 1 : -1),
  )[0];
}
