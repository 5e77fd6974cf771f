import { beforeAll, expect, it } from "vitest";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { loadCatalog } from "../catalog/load-catalog.ts";
import { parseMapping } from "./mapping.ts";
import { suggestMapping } from "./suggest-mapping.ts";
import { copywriterDatabase } from "./test/copywriter.sql.ts";
import { importFormer, makeFormer } from "./test/former-schema.ts";

const database = useDatabase();
let mapping: Record<string, unknown>;
const issuer = "https://securetoken.example/descriptions";
beforeAll(async () => {
  await loadCatalog({ adminUrl: database.url, catalog: "copywriter" });
  const schema = await makeFormer(database.url, copywriterDatabase);
  mapping = { source: "copy", system: "copywriter", schema, logins: { issuer } };
});

it("a mapping is suggested from what is there, and is one", async () => {
  const { schema } = mapping;
  const how = { formerUrl: database.url, system: "copywriter" as const, schema: String(schema) };
  const { mapping: suggested, notes } = await suggestMapping(database.worker, how);
  expect(notes).toEqual([]);
  expect(parseMapping(suggested).plans).toMatchObject({
    free: "none",
    basic: { product: "basic" },
    pro: { product: "pro" },
  });
  mapping = { ...mapping, plans: suggested.plans };
});

it("a plan whose name at the provider nobody knows is refused until somebody says it", async () => {
  const first = await importFormer(database.url, mapping);
  expect(first.people).toMatchObject({ create: 7, refuse: 1 });
  expect(first.refused).toEqual([{ key: "user_credits:uid-payer", reason: "plan_ref_missing" }]);
  expect(first.credits.here).toEqual({ subscription: 121 });
  const plans = { ...Object(mapping.plans), pro: { product: "pro", plan_ref: "4712" } };
  mapping = { ...mapping, plans };
  const second = await importFormer(database.url, mapping);
  expect(second.people).toMatchObject({ create: 1, equal: 7, refuse: 0 });
});

const findGrant = async (externalId: string) => {
  const [row] = await database.admin`
    SELECT g.amount, g.expires_at, b.next_at, s.period_end,
      g.subscription_id = s.id AS is_of_plan
    FROM ducat.credit_grants g JOIN ducat.accounts a ON a.id = g.account_id
    LEFT JOIN ducat.base_refills b ON b.account_id = a.id
    LEFT JOIN ducat.subscriptions s ON s.account_id = a.id
    WHERE a.external_id = ${externalId} AND g.effect_key LIKE 'import:%'`;
  return row;
};

it("a month's credits live until the next ones come, and no longer", async () => {
  const basic = await findGrant("uid-basic");
  expect(basic).toMatchObject({ amount: 61, is_of_plan: true });
  expect(basic?.expires_at).toEqual(basic?.period_end);
  const free = await findGrant("uid-free");
  expect(free?.expires_at).toEqual(free?.next_at);
  // Its month was over there, and yet it could be spent.
  const lapsed = await findGrant("uid-lapsed");
  expect(lapsed?.amount).toBe(30);
  expect(lapsed?.expires_at > new Date()).toBe(true);
});

it("a plan of Lemon Squeezy's renews by what it tells, once", async () => {
  const [sub] = await database.admin`
    SELECT s.* FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
    WHERE a.external_id = 'uid-basic'`;
  expect(sub).toMatchObject({ provider_ref: "9001", plan_ref: "4711", customer_ref: "77" });
  const fact = {
    provider: "lemonsqueezy",
    mode: "test",
    effect_key: "l:test:sinv:1",
    occurred_at: sub?.period_end,
    invoice_ref: "1",
    subscription_ref: "9001",
    amount: 999,
    currency: "USD",
    reason: "renewal",
    trial: false,
  };
  const tell = () => database.worker<{ outcome: string }[]>`
    SELECT outcome FROM ducat.record_invoice(${JSON.stringify(fact)}::text::jsonb)`;
  expect((await tell())[0]?.outcome).toBe("applied");
  expect((await tell())[0]?.outcome).toBe("known");
  const [balance] = await database.admin`
    SELECT available FROM ducat.credit_accounts WHERE account_id = ${sub?.account_id}`;
  expect(balance?.available).toBe(161);
});

it("what was paid there is not given again when the provider tells of it", async () => {
  const [sub] = await database.admin`
    SELECT s.account_id, s.provider_ref, s.period_start, c.available
    FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
    JOIN ducat.credit_accounts c ON c.account_id = a.id WHERE a.external_id = 'uid-up'`;
  const tell = async (reason: string, occurredAt: number) => {
    const fact = {
      provider: "lemonsqueezy",
      mode: "test",
      effect_key: `l:test:sinv:${reason}`,
      occurred_at: new Date(occurredAt),
      invoice_ref: reason,
      subscription_ref: sub?.provider_ref,
      amount: 999,
      currency: "USD",
      reason,
      trial: false,
    };
    const [told] = await database.worker`
      SELECT outcome FROM ducat.record_invoice(${JSON.stringify(fact)}::text::jsonb)`;
    return told?.outcome;
  };
  const start = new Date(sub?.period_start).getTime();
  expect(await tell("initial", start)).toBe("known");
  // Of the month before, and a step up of this one.
  expect(await tell("renewal", start - 20 * 86_400_000)).toBe("known");
  expect(await tell("update", start + 86_400_000)).toBe("known");
  const [balance] = await database.admin`
    SELECT available FROM ducat.credit_accounts WHERE account_id = ${sub?.account_id}`;
  expect(balance?.available).toBe(sub?.available);
});

it("a step up within the month that was paid there gives the difference here", async () => {
  const [sub] = await database.admin`
    SELECT s.account_id, s.provider_ref, p.id AS price_id FROM ducat.subscriptions s
    JOIN ducat.accounts a ON a.id = s.account_id, ducat.prices p
    JOIN ducat.products d ON d.id = p.product_id
    WHERE a.external_id = 'uid-up' AND d.key = 'pro' AND p.is_active`;
  const fact = {
    provider: "lemonsqueezy",
    mode: "test",
    effect_key: "l:test:sinv:2:delta",
    occurred_at: new Date(),
    invoice_ref: "2",
    subscription_ref: sub?.provider_ref,
    plan_ref: sub?.price_id,
    amount: 800,
    currency: "USD",
    reason: "update",
    trial: false,
  };
  const [told] = await database.worker`
    SELECT outcome FROM ducat.record_invoice(${JSON.stringify(fact)}::text::jsonb)`;
  expect(told?.outcome).toBe("applied");
  const [balance] = await database.admin`
    SELECT available FROM ducat.credit_accounts WHERE account_id = ${sub?.account_id}`;
  // Of 900 more a month, for 12 days of 30.
  expect([379, 380]).toContain(balance?.available);
});

it("amounts in dollars are cents here, and who only paid has an account", async () => {
  const payments = await database.admin`
    SELECT a.external_id, p.charged, p.currency, p.provider_ref, p.effect_key, p.purpose
    FROM ducat.payments p JOIN ducat.accounts a ON a.id = p.account_id
    WHERE p.charged > 0 AND p.metadata ->> 'import' = 'copy' ORDER BY charged`;
  expect([...payments]).toEqual([
    {
      external_id: "uid-only-paid",
      charged: 29,
      currency: "EUR",
      provider_ref: null,
      effect_key: "import:copy:payment_history:ph-3",
      purpose: "pack",
    },
    {
      external_id: "uid-basic",
      charged: 999,
      currency: "USD",
      provider_ref: "order:5001",
      effect_key: "l:test:order:5001",
      purpose: "invoice",
    },
  ]);
});

it("people of Firebase's come in by what it calls them, whatever that is", async () => {
  const rows = await database.admin`
    SELECT e.subject, a.external_id FROM ducat.external_identities e
    JOIN ducat.accounts a ON a.id = e.account_id WHERE e.issuer = ${issuer}`;
  expect(rows).toHaveLength(8);
  for (const { subject, external_id } of rows) expect(subject).toBe(external_id);
});
