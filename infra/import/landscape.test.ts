import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { grantLoginTrial } from "../../packages/db/src/logins.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { exitCodeOf, isBalanced } from "./report.ts";
import { ImportRunning } from "./run-import.ts";
import { importFormer, makeFormer } from "./test/former-schema.ts";
import { generationDatabase, landscapeDatabase } from "./test/landscape.sql.ts";

const database = useDatabase();
const person = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
const plans = {
  monthly_pro: { product: "monthly_pro", plan_ref: "price_old" },
  "7day_pass": { product: "7day_pass" },
};

/** Its people get other ids and addresses each time, so that tests share nothing. */
async function makeLandscape(): Promise<Record<string, unknown>> {
  const tag = randomUUID().slice(0, 8);
  const own = landscapeDatabase
    .replaceAll("00000000-0000-4000-8000-", `${tag}-0000-4000-8000-`)
    .replaceAll("@example.com", `@${tag}.example`)
    .replaceAll("@Example.com", `@${tag}.Example`)
    .replaceAll("@مثال", `@${tag}.مثال`)
    .replaceAll("fb-", `fb-${tag}-`)
    .replaceAll("cus_", `cus_${tag}`)
    .replaceAll("sub_pro", `sub_${tag}`);
  const schema = await makeFormer(database.url, own);
  return { source: `landscape-${tag}`, system: "landscape", schema, plans };
}
const tagOf = (mapping: Record<string, unknown>) => String(mapping.source).slice(-8);
const idOf = (mapping: Record<string, unknown>, n: number) =>
  person(n).replace("00000000", tagOf(mapping));

async function findAccount(externalId: string) {
  const [row] = await database.admin`
    SELECT a.id, a.name, a.email, c.available, c.trial, a.created_at, l.login_id
    FROM ducat.accounts a JOIN ducat.credit_accounts c ON c.account_id = a.id
    LEFT JOIN ducat.account_logins l ON l.account_id = a.id WHERE a.external_id = ${externalId}`;
  return row;
}

/** Everything that an import could have written. */
async function countRows() {
  const [row] = await database.admin`
    SELECT (SELECT count(*) FROM ducat.accounts) AS accounts,
      (SELECT count(*) FROM ducat.credit_entries) AS entries,
      (SELECT count(*) FROM ducat.logins) AS logins,
      (SELECT count(*) FROM ducat.subscriptions) AS subscriptions,
      (SELECT count(*) FROM ducat.payments) AS payments,
      (SELECT count(*) FROM ducat.outbox) AS events,
      (SELECT count(*) FROM ducat.styles) AS styles,
      (SELECT count(*) FROM ducat.import_rows) AS rows`;
  return row;
}

describe("people of the landscape app", () => {
  it("are told in a dry run as a real one then moves them in, and nothing is written", async () => {
    const mapping = await makeLandscape();
    const before = await countRows();
    const told = await importFormer(database.url, mapping, { isDryRun: true, batch: 3 });
    expect(await countRows()).toEqual(before);
    expect(exitCodeOf(told)).toBe(1);
    const done = await importFormer(database.url, mapping, { batch: 2 });
    expect(done.people).toEqual({ ...told.people });
    expect(done.people).toMatchObject({ create: 6, refuse: 1 });
    expect(done.refused).toEqual(told.refused);
    expect(done.refused).toEqual([{ key: `users:${idOf(mapping, 2)}`, reason: "email_taken" }]);
    expect(done.credits).toEqual({ ...told.credits, here: { trial: 8, purchase: 167 } });
    expect(done.credits.there).toEqual({ trial: 9, purchase: 172 });
    expect(done.credits.refused).toEqual({ trial: 1, purchase: 5 });
    expect(isBalanced(done)).toBe(true);
  });

  it("have their balance, the trial apart, and what is known of them", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const ada = await findAccount(idOf(mapping, 1));
    expect(ada).toMatchObject({
      name: 'Ada "=1+1" Lovelace',
      email: `ada@${tagOf(mapping)}.example`,
      available: 49,
      trial: 2,
      created_at: new Date("2025-03-31T10:00:00Z"),
    });
    const grants = await database.admin`
      SELECT effect_key, source, amount FROM ducat.credit_grants
      WHERE account_id = ${ada?.id} ORDER BY source DESC`;
    expect(grants.map(({ source, amount }) => [source, amount])).toEqual([
      ["trial", 2],
      ["purchase", 47],
    ]);
    expect(grants[0]?.effect_key).toBe(`import:${mapping.source}:users:${idOf(mapping, 1)}`);
    const [row] = await database.admin`
      SELECT history FROM ducat.import_rows WHERE account_id = ${ada?.id}`;
    expect(row?.history).toEqual({
      generations: { completed: 2, failed: 1 },
      users_token_transactions: { purchase: 1, generation: 1 },
    });
    expect(await findAccount(idOf(mapping, 3))).toMatchObject({ email: null, login_id: null });
    expect([...((await findAccount(idOf(mapping, 7)))?.name ?? "")]).toHaveLength(200);
  });

  it("get no second trial when they prove their address", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const ada = await findAccount(idOf(mapping, 1));
    await database.admin`
      UPDATE ducat.logins SET verified_at = now() WHERE id = ${ada?.login_id}`;
    const identities = [Buffer.from(randomUUID())];
    expect(await grantLoginTrial(database.app, ada?.login_id, identities)).toBe(false);
    expect(await findAccount(idOf(mapping, 1))).toMatchObject({ available: 49, trial: 2 });
  });

  it("keep a running subscription under the provider's name, and a pass until it ends", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const [pro] = await database.admin`
      SELECT s.status, s.provider_ref, s.plan_ref, s.price_id, s.refill_payment_id, d.key,
        s.period_end > now() + interval '19 days' AS is_running
      FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
      JOIN ducat.products d ON d.id = s.product_id
      WHERE a.external_id = ${idOf(mapping, 4)}`;
    expect(pro).toMatchObject({ status: "active", key: "monthly_pro", is_running: true });
    expect(pro).toMatchObject({ provider_ref: `sub_${tagOf(mapping)}`, plan_ref: "price_old" });
    expect(pro?.price_id).not.toBeNull();
    expect(pro?.refill_payment_id).not.toBeNull();
    const passes = await database.admin`
      SELECT d.key, s.ends_at > now() + interval '4 days' AS is_running
      FROM ducat.passes s JOIN ducat.accounts a ON a.id = s.account_id
      JOIN ducat.products d ON d.id = s.product_id WHERE a.external_id = ${idOf(mapping, 5)}`;
    expect([...passes]).toEqual([{ key: "7day_pass", is_running: true }]);
    const [gone] = await database.admin`
      SELECT count(*) AS count FROM ducat.subscriptions s
      JOIN ducat.accounts a ON a.id = s.account_id
      WHERE a.external_id = ${idOf(mapping, 6)}`;
    expect(gone?.count).toBe(0);
  });

  it("whose renewal the provider tells of later get what the plan gives", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const [sub] = await database.admin`
      SELECT s.* FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
      WHERE a.external_id = ${idOf(mapping, 4)}`;
    const end = new Date(sub?.period_end);
    const fact = {
      provider: "stripe",
      mode: "test",
      effect_key: `s:test:in:${randomUUID()}`,
      occurred_at: end,
      invoice_ref: `in_${randomUUID()}`,
      subscription_ref: sub?.provider_ref,
      amount: 1900,
      currency: "USD",
      reason: "renewal",
      trial: false,
      plan_ref: "price_old",
      period_start: end,
      period_end: new Date(end.getTime() + 30 * 86_400_000),
    };
    const tell = () => database.worker<{ outcome: string }[]>`
      SELECT outcome FROM ducat.record_invoice(${JSON.stringify(fact)}::text::jsonb)`;
    expect((await tell())[0]?.outcome).toBe("applied");
    expect((await tell())[0]?.outcome).toBe("known");
    expect(await findAccount(idOf(mapping, 4))).toMatchObject({ available: 180 });
  });
});

describe("a subscription that was not paid when it was moved in", () => {
  const day = 86_400_000;
  const moveIn = async (status: string) => {
    const mapping = await makeLandscape();
    await database.admin.unsafe(
      `UPDATE ${mapping.schema}.subscriptions SET status = '${status}'
       WHERE stripe_subscription_id IS NOT NULL`,
    );
    await importFormer(database.url, mapping);
    const [sub] = await database.admin`
      SELECT s.* FROM ducat.subscriptions s JOIN ducat.accounts a ON a.id = s.account_id
      WHERE a.external_id = ${idOf(mapping, 4)}`;
    expect(sub).toMatchObject({ status, next_refill_at: null, refill_payment_id: null });
    const start = new Date(sub?.period_start).getTime();
    const tell = async (kind: "record_invoice" | "record_invoice_failure", more: object) => {
      const ref = randomUUID();
      const fact = {
        ...{ provider: "stripe", mode: "test", effect_key: `s:test:in:${ref}` },
        ...{ invoice_ref: `in_${ref}`, subscription_ref: sub?.provider_ref, amount: 1900 },
        ...{ currency: "USD", reason: "renewal", trial: false, plan_ref: "price_old" },
        ...{ period_start: new Date(start), period_end: sub?.period_end, ...more },
      };
      const [told] = await database.worker.unsafe<{ outcome: string }[]>(
        `SELECT outcome FROM ducat.${kind}($1::text::jsonb)`,
        [JSON.stringify(fact)],
      );
      return told?.outcome;
    };
    const available = async () => (await findAccount(idOf(mapping, 4)))?.available;
    return { start, tell, available };
  };

  it("is given its month when that is paid here, and hears no old news", async () => {
    const { start, tell, available } = await moveIn("past_due");
    const before = await available();
    const failed = { occurred_at: new Date(start) };
    expect(await tell("record_invoice_failure", failed)).toBe("known");
    const former = {
      occurred_at: new Date(start - 30 * day),
      period_start: new Date(start - 30 * day),
      period_end: new Date(start),
    };
    expect(await tell("record_invoice", former)).toBe("known");
    expect(await available()).toBe(before);
    const soon = { occurred_at: new Date(Date.now() + 60_000) };
    expect(await tell("record_invoice_failure", soon)).toBe("applied");
    expect(await tell("record_invoice", soon)).toBe("applied");
    expect(await available()).toBe(before + 60);
  });

  it("has had its trial, and is given what it pays for afterwards", async () => {
    const { start, tell, available } = await moveIn("trialing");
    const before = await available();
    const begun = { occurred_at: new Date(start), amount: 0, reason: "initial", trial: true };
    expect(await tell("record_invoice", begun)).toBe("known");
    expect(await available()).toBe(before);
    // It ended early, by paying.
    const now = Date.now() + 60_000;
    const paid = {
      occurred_at: new Date(now),
      period_start: new Date(now),
      period_end: new Date(now + 30 * day),
    };
    expect(await tell("record_invoice", paid)).toBe("applied");
    expect(await available()).toBe(before + 60);
  });
});

describe("a second run", () => {
  it("writes nothing, and finds everything equal", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const before = await countRows();
    const again = await importFormer(database.url, mapping);
    expect(again.people).toMatchObject({ create: 0, equal: 6, refuse: 1, differs: 0 });
    expect(isBalanced(again)).toBe(true);
    expect(await countRows()).toEqual(before);
  });

  it("tells what has changed there, and gives nothing for it", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    await database.admin.unsafe(`
      UPDATE ${mapping.schema}.users_token_accounts SET balance = 99
      WHERE user_id = '${idOf(mapping, 1)}'`);
    const again = await importFormer(database.url, mapping);
    expect(again.differences).toEqual([{ key: `users:${idOf(mapping, 1)}`, changed: ["credits"] }]);
    expect(exitCodeOf(again)).toBe(1);
    expect(await findAccount(idOf(mapping, 1))).toMatchObject({ available: 49 });
  });

  it("brings in who was refused before, once the mapping lets them", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const accounts = { clashing_addresses: "leave_out" };
    const again = await importFormer(database.url, { ...mapping, accounts });
    expect(again.people).toMatchObject({ create: 1, equal: 6, refuse: 0 });
    expect(again.warnings).toMatchObject({ address_taken: 1 });
    expect(await findAccount(idOf(mapping, 2))).toMatchObject({ email: null, available: 6 });
  });

  it("beside a first one ends at once, and two in line move everybody in once", async () => {
    const mapping = await makeLandscape();
    const runs = await Promise.allSettled(
      [1, 2, 3].map(() => importFormer(database.url, mapping, { batch: 1 })),
    );
    const failed = runs.filter((run) => run.status === "rejected");
    for (const { reason } of failed) expect(reason).toBeInstanceOf(ImportRunning);
    expect(failed.length).toBeLessThan(3);
    expect(await findAccount(idOf(mapping, 1))).toMatchObject({ available: 49 });
  });

  it("does not bring back who was erased", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const ada = await findAccount(idOf(mapping, 1));
    const audit = JSON.stringify({ actor: "t", request_id: "t", ip: null });
    await database.app`SELECT ducat.erase_account(${ada?.id}, true, ${audit}::text::jsonb)`;
    const again = await importFormer(database.url, mapping);
    // Whoever had the same address there may have it now.
    expect(again.people).toMatchObject({ create: 1, erased: 1, equal: 5 });
    expect(await findAccount(idOf(mapping, 1))).toBeUndefined();
    const [left] = await database.admin`
      SELECT count(*) AS count FROM ducat.import_files WHERE account_id = ${ada?.id}`;
    expect(left?.count).toBe(0);
  });
});

describe("what a mapping says", () => {
  it("joins the balances of two systems that have the same people", async () => {
    const mapping = await makeLandscape();
    await importFormer(database.url, mapping);
    const own = generationDatabase
      .replaceAll("10000000-0000-4000-8000-000000000001", idOf(mapping, 1))
      .replaceAll("@example.com", `@${randomUUID()}.example`);
    const schema = await makeFormer(database.url, own);
    const api = { source: `api-${tagOf(mapping)}`, system: "generation-api", schema };
    const refused = await importFormer(database.url, api, { isDryRun: true });
    expect(refused.reasons).toMatchObject({ account_exists: 1 });
    const accounts = { existing: "join" };
    const joined = await importFormer(database.url, { ...api, accounts });
    expect(joined.people).toMatchObject({ join: 1, refuse: 1 });
    expect(joined.reasons).toEqual({ balance_unreadable: 1 });
    expect(await findAccount(idOf(mapping, 1))).toMatchObject({ available: 56, trial: 5 });
  });

  it("refuses plans that it doesn't know, or leaves them, or has one for them", async () => {
    const mapping = { ...(await makeLandscape()), plans: {} };
    const run = (more: object) =>
      importFormer(database.url, { ...mapping, ...more }, { isDryRun: true });
    expect((await run({})).reasons).toMatchObject({ unknown_plan: 2 });
    const skipped = await run({ unknown_plans: "skip" });
    expect(skipped.reasons.unknown_plan).toBeUndefined();
    expect(skipped.warnings).toMatchObject({ unknown_plan: 2 });
    const default_plan = { product: "monthly_pro" };
    const replaced = await run({ unknown_plans: "default", default_plan });
    expect(replaced.reasons).toMatchObject({ plan_ref_missing: 1 });
  });

  it("names what of it the catalog and the tables don't have, before anything is read", async () => {
    const mapping = await makeLandscape();
    await expect(
      importFormer(database.url, { ...mapping, plans: { free: { product: "gold" } } }),
    ).rejects.toThrow("plans.free: the catalog has no plan or pass gold.");
    const tables = { users: { columns: { email: "mail" } }, wrong: {} };
    await expect(importFormer(database.url, { ...mapping, tables })).rejects.toThrow(
      /Table users has no column mail\.[\s\S]*Nothing is read from a table wrong\./,
    );
  });

  it("publishes presets and settings that nobody has here, once", async () => {
    const styles = { generator: "local", category: "landscape", cost: 1 };
    const config = { trial_credit_count: "trial_credits", nonsense: "audit_retention_days" };
    const mapping = { ...(await makeLandscape()), styles, config };
    const only = { only: ["styles" as const, "settings" as const] };
    const first = await importFormer(database.url, mapping, only);
    expect(first.styles.created).toEqual(["english_wilderness"]);
    expect(first.styles.known).toEqual(["modern_minimalist"]);
    expect(first.styles.refused.map(({ reason }) => reason).sort()).toEqual([
      "name_unusable",
      "not_on_offer",
    ]);
    expect(first.settings.set).toEqual(["trial_credits"]);
    expect(first.settings.refused).toEqual([
      { key: "admin_config:nonsense", reason: "value_unusable" },
    ]);
    const again = await importFormer(database.url, mapping, only);
    expect(again.styles.created).toEqual([]);
    expect(again.settings).toMatchObject({ set: [], known: ["trial_credits"] });
  });
});

it("a former database is only read, whatever its views would do", async () => {
  const schema = await makeFormer(
    database.url,
    `${generationDatabase}
     CREATE TABLE traces (at timestamptz);
     CREATE FUNCTION leave_trace() RETURNS boolean LANGUAGE sql
       SET search_path FROM CURRENT AS
       'INSERT INTO traces VALUES (now()) RETURNING true';
     ALTER TABLE users RENAME TO people;
     CREATE VIEW users AS SELECT id, email, trial_credits, leave_trace() AS email_verified
       FROM people`,
  );
  const mapping = { source: "traces", system: "generation-api", schema };
  await expect(importFormer(database.url, mapping)).rejects.toThrow("read-only transaction");
});

describe("logins", () => {
  let schema: string;
  const tag = randomUUID().slice(0, 8);
  beforeAll(async () => {
    const own = generationDatabase.replaceAll("@example.com", `@${tag}.example`);
    schema = await makeFormer(database.url, own.replaceAll("10000000-", `${tag}-`));
  });
  const findLogin = async (name: string) => {
    const [row] = await database.admin`
      SELECT l.email_verified, l.verified_at IS NOT NULL AS is_known, c.password
      FROM ducat.logins l LEFT JOIN ducat.login_credentials c ON c.login_id = l.id
      WHERE l.email = ${`${name}@${tag}.example`}`;
    return row;
  };

  it("bring passwords that can be checked here, of a cost that may be paid", async () => {
    const mapping = { source: `logins-${tag}`, system: "generation-api", schema };
    const report = await importFormer(database.url, mapping);
    expect(report.warnings).toEqual({ password_unknown_format: 2 });
    expect((await findLogin("argon"))?.password).toMatch(/^\$argon2id\$/);
    expect(await findLogin("argon")).toMatchObject({ email_verified: true, is_known: true });
    expect(await findLogin("bcrypt")).toEqual({
      email_verified: false,
      is_known: false,
      password: null,
    });
    expect((await findLogin("bomb"))?.password).toBeNull();
  });

  it("of people who are here already and unproven are not handed over", async () => {
    const email = `squatter-${tag}@x.example`;
    await database.admin`INSERT INTO ducat.logins (email) VALUES (${email})`;
    const mapping = await makeLandscape();
    await database.admin.unsafe(`
      UPDATE ${mapping.schema}.users SET email = '${email.toUpperCase()}'
      WHERE id = '${idOf(mapping, 1)}'`);
    const report = await importFormer(database.url, mapping, { isDryRun: true });
    expect(report.reasons).toEqual({ login_unverified: 1 });
  });

  it("are identities of an issuer where the mapping names one", async () => {
    const mapping = await makeLandscape();
    const logins = { emails: "none", issuer: "https://securetoken.example/yard" };
    await importFormer(database.url, { ...mapping, logins });
    const ada = await findAccount(idOf(mapping, 1));
    expect(ada?.login_id).toBeNull();
    const [identity] = await database.admin`
      SELECT issuer, subject, verified_at IS NOT NULL AS is_known FROM ducat.external_identities
      WHERE account_id = ${ada?.id}`;
    const subject = `fb-${tagOf(mapping)}-ada`;
    expect(identity).toEqual({ issuer: logins.issuer, subject, is_known: true });
  });
});
