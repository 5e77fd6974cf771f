import { beforeAll, expect, it } from "vitest";
import { findEntitlements } from "../../packages/db/src/entitlements.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { loadCatalog } from "../catalog/load-catalog.ts";
import { isBalanced } from "./report.ts";
import { importFormer, makeFormer } from "./test/former-schema.ts";
import { lettersDatabase } from "./test/letters.sql.ts";

const database = useDatabase();
let mapping: Record<string, unknown>;
beforeAll(async () => {
  await loadCatalog({ adminUrl: database.url, catalog: "letters" });
  const schema = await makeFormer(database.url, lettersDatabase);
  mapping = {
    source: "letters",
    system: "letters",
    schema,
    tables: { users: { name: "User" } },
    logins: { emails: "verified" },
    plans: { free: "none", pro: { product: "pro" }, enterprise: { product: "enterprise" } },
  };
  const report = await importFormer(database.url, mapping);
  expect(report.people).toMatchObject({ create: 6, refuse: 2 });
  expect(report.reasons).toEqual({ unknown_plan: 1, id_too_long: 1 });
  expect(report.warnings).toEqual({ plan_without_end: 1 });
  expect(report.credits.here).toEqual({ "stock:mail_credits": 13 });
  expect(isBalanced(report)).toBe(true);
});

const findPlan = async (name: string) => {
  const [row] = await database.admin`
    SELECT d.key, s.provider, s.provider_ref, s.plan_ref, s.status, s.interval, s.refill_index,
      s.cancel_at IS NOT NULL AS is_ending, p.amount
    FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
    JOIN ducat.products d ON d.id = s.product_id LEFT JOIN ducat.prices p ON p.id = s.price_id
    WHERE a.external_id = ${name}`;
  return row;
};
const getEntitlements = async (name: string) => {
  const [row] = await database.admin`
    SELECT id FROM ducat.accounts WHERE external_id = ${name}`;
  return await findEntitlements(database.worker, row?.id);
};

it("plans of Stripe's are found by their names there, a year's with its own price", async () => {
  expect(await findPlan("month")).toMatchObject({
    key: "pro",
    provider_ref: "sub_month",
    plan_ref: "price_m",
    interval: "month",
    amount: 900,
    is_ending: false,
  });
  expect(await findPlan("year")).toMatchObject({
    plan_ref: "price_y",
    interval: "year",
    amount: 9000,
    refill_index: 1,
  });
  expect(await findPlan("trial")).toMatchObject({ status: "trialing", interval: "month" });
  expect(await findPlan("quit")).toMatchObject({ status: "active", is_ending: true });
});

it("a plan by agreement is given by hand here too", async () => {
  expect(await findPlan("team")).toMatchObject({
    key: "enterprise",
    provider: "manual",
    is_ending: false,
  });
  const { plan, features } = await getEntitlements("team");
  expect(plan).toMatchObject({ key: "enterprise" });
  expect(features.email_delivery).toMatchObject({ enabled: true });
});

it("letters of this month count on, and those by post are a stock", async () => {
  const free = await getEntitlements("free");
  expect(free.features.letters).toMatchObject({ limit: 5, used: 4 });
  const month = await getEntitlements("month");
  expect(month.features.mail_credits).toMatchObject({ remaining: 12 });
  const stock = await database.admin`
    SELECT g.amount, g.expires_at IS NULL AS stays FROM ducat.allowance_grants g
    JOIN ducat.accounts a ON a.id = g.account_id WHERE a.external_id = 'month' ORDER BY amount`;
  expect([...stock]).toEqual([
    { amount: 2, stays: false },
    { amount: 10, stays: true },
  ]);
});

it("a year goes on with the months that are left of it, by our clock", async () => {
  await database.admin`
    UPDATE ducat.credit_accounts SET clock_offset = interval '40 days'
    WHERE account_id = (SELECT id FROM ducat.accounts WHERE external_id = 'year')`;
  const [given] = await database.worker`
    SELECT ducat.refill_subscription(s.account_id, s.id, true) AS months
    FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
    WHERE a.external_id = 'year'`;
  expect(given?.months).toBe(1);
  expect((await getEntitlements("year")).features.mail_credits).toMatchObject({ remaining: 2 });
});

it("paid history is kept without credits, under the names that Stripe tells it by", async () => {
  const payments = await database.admin`
    SELECT p.effect_key, p.status, p.charged, p.currency, p.reversed, p.credits_granted
    FROM ducat.payments p JOIN ducat.accounts a ON a.id = p.account_id
    WHERE a.external_id = 'month' AND p.provider_ref IS NOT NULL ORDER BY p.provider_ref`;
  const paid = { status: "succeeded", currency: "USD", credits_granted: 0 };
  expect([...payments]).toEqual([
    { ...paid, effect_key: "s:test:pi:pi_m1", charged: 900, reversed: 0 },
    { ...paid, effect_key: "s:test:pi:pi_m2", charged: 1500, reversed: 1500 },
  ]);
});

it("a second run finds all of it equal", async () => {
  const again = await importFormer(database.url, mapping);
  expect(again.people).toMatchObject({ create: 0, equal: 6, differs: 0, refuse: 2 });
  expect(again.credits.here).toEqual({ "stock:mail_credits": 13 });
});
