import { randomBytes, randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { loadCatalog } from "../../../infra/catalog/load-catalog.ts";
import { audit, makeFeatured, secondsUntil, spent } from "../test/entitlement-factories.ts";
import { makeAccount } from "../test/factories.ts";
import { countOutcomes } from "../test/outcome.ts";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { advanceClock, findBalance, listEntries } from "./credits.ts";
import { assignPlan } from "./entitlements.ts";
import { refillAccount, refillBaseDue } from "./refills.ts";

const database = useDatabase();
const day = 86_400;
// Ten credits a month for who pays for nothing, and no trial.
beforeAll(async () => {
  await loadCatalog({ adminUrl: database.url, catalog: "copywriter" });
});

const readAvailable = async (id: string) => (await findBalance(database.app, id))?.available;
const advance = async (id: string, seconds: number) => {
  await advanceClock(database.app, id, seconds);
  return refillAccount(database.worker, id);
};
const goTo = async (id: string, moment: string) =>
  advance(id, await secondsUntil(database.admin, id, moment));

/** An account that was made at a moment of its own clock. */
async function makeAt(moment: string): Promise<string> {
  const { id } = await makeAccount(database.app);
  await advanceClock(database.app, id, await secondsUntil(database.admin, id, moment));
  await database.admin`UPDATE ducat.accounts SET created_at = ${moment} WHERE id = ${id}`;
  await database.admin`
    UPDATE ducat.base_refills SET next_at = ${moment}, period_start = NULL
    WHERE account_id = ${id}`;
  await refillAccount(database.worker, id);
  return id;
}

/** An account whose person is not verified yet. */
async function makeUnverified(): Promise<string> {
  const [row] = await database.admin<{ id: string }[]>`
    SELECT (account).id FROM ducat.create_account(NULL, 'user', p_trial => false)`;
  return row?.id ?? "";
}

const verify = async (id: string, identities: Buffer[]) => {
  const list = identities.map((one) => `\\x${one.toString("hex")}`);
  await database.admin`SELECT ducat.grant_trial(${id}, ${list}::text[]::bytea[])`;
};

describe("what the default plan gives", () => {
  it("is there with the account, and again each month; what was left is gone", async () => {
    const { id } = await makeAccount(database.app);
    expect(await readAvailable(id)).toBe(10);
    const balance = await findBalance(database.app, id);
    const next = balance?.next_refill_at ?? "";
    expect(balance?.grants).toMatchObject([{ source: "subscription", expires_at: next }]);
    expect(await advance(id, 27 * day)).toBe(0);
    expect(await goTo(id, next)).toBe(1);
    expect(await readAvailable(id)).toBe(10);
    const entries = await listEntries(database.app, id, { limit: 9 });
    expect(entries.map(({ type, amount }) => [type, amount])).toEqual([
      ["subscription", 10],
      ["expiry", -10],
      ["subscription", 10],
    ]);
  });

  it("comes on the 31st, on the last day of shorter months, and on the leap day", async () => {
    const id = await makeAt("2028-01-31T08:00:00Z");
    const moments = ["02-29", "03-31", "04-30", "05-31"];
    for (const moment of moments) {
      expect(await goTo(id, `2028-${moment}T07:59:00Z`)).toBe(0);
      expect(await goTo(id, `2028-${moment}T08:00:01Z`)).toBe(1);
      expect(await readAvailable(id)).toBe(10);
    }
    const rows = await database.admin<{ day: string }[]>`
      SELECT to_char(starts_at AT TIME ZONE 'UTC', 'MM-DD') AS day FROM ducat.credit_grants
      WHERE account_id = ${id} AND starts_at >= '2028-01-31' ORDER BY starts_at`;
    expect(rows.map((row) => row.day)).toEqual(["01-31", ...moments]);
  });

  it("is given once, however many workers are at it", async () => {
    const { id } = await makeAccount(database.app);
    await advanceClock(database.app, id, 40 * day);
    const sessions = await openSessions(database.url, "ducat_worker", 6);
    const calls = atOnce(sessions, 12, async (worker) => {
      await refillBaseDue(worker);
      await refillAccount(worker, id);
    });
    expect(await countOutcomes(calls)).toEqual({ ok: 12 });
    const [row] = await database.admin`
      SELECT count(*)::int AS n FROM ducat.credit_grants WHERE account_id = ${id}`;
    expect(row).toEqual({ n: 2 });
    expect(await readAvailable(id)).toBe(10);
  });

  it("is not given for months that nobody looked at, but for the one that runs", async () => {
    const { id } = await makeAccount(database.app);
    expect(await advance(id, 200 * day)).toBe(1);
    expect(await readAvailable(id)).toBe(10);
  });

  it("stops while another plan stands, and is there as soon as that ends", async () => {
    const { id } = await makeAccount(database.app);
    await assignPlan(database.app, id, { plan: "pro", audit });
    await advance(id, 40 * day);
    expect(await readAvailable(id)).toBe(1000);
    await assignPlan(database.app, id, { plan: "free", audit });
    expect(await refillBaseDue(database.worker)).toBe(1);
    expect(await readAvailable(id)).toBe(1010);
    expect(await refillBaseDue(database.worker)).toBe(0);
  });

  it("is not given twice for a month in which a plan came and went", async () => {
    const { id } = await makeAccount(database.app);
    await assignPlan(database.app, id, { plan: "basic", audit });
    await assignPlan(database.app, id, { plan: "free", audit });
    expect(await refillAccount(database.worker, id)).toBe(0);
    expect(await readAvailable(id)).toBe(110);
  });

  it("comes after a grace that nobody wrote down the end of", async () => {
    const { id } = await makeAccount(database.app);
    const { product } = await makeFeatured(database.admin);
    await database.admin`
      INSERT INTO ducat.subscriptions (account_id, product_id, provider, provider_ref, mode, status,
        interval, started_at, past_due_at)
      SELECT ${id}, ${product.id}, 'sandbox', ${id}, 'test', 'past_due', 'month', next_at,
        next_at - interval '1 day'
      FROM ducat.base_refills WHERE account_id = ${id}`;
    const next = (await findBalance(database.app, id))?.grants[0]?.expires_at ?? "";
    expect(await goTo(id, next)).toBe(0);
    expect(await advance(id, 5 * day)).toBe(0);
    expect(await readAvailable(id)).toBe(0);
    expect(await advance(id, day + 1)).toBe(1);
    expect(await readAvailable(id)).toBe(10);
  });
});

describe("a plan that somebody pays for", () => {
  const subscribe = async (id: string, more: { status: string; late_days?: number }) => {
    const { product } = await makeFeatured(database.admin);
    await database.admin`
      INSERT INTO ducat.subscriptions (account_id, product_id, provider, provider_ref, mode, status,
        interval, started_at, past_due_at)
      VALUES (${id}, ${product.id}, 'sandbox', ${id}, 'test', ${more.status}, 'month', now(),
        now() - make_interval(days => ${more.late_days ?? null}::int))`;
  };

  it("makes room with its grace, also in the middle of a month", async () => {
    const { id } = await makeAccount(database.app);
    await subscribe(id, { status: "active" });
    await advance(id, 40 * day);
    expect(await readAvailable(id)).toBe(0);
    await database.admin`
      UPDATE ducat.subscriptions SET status = 'past_due',
        past_due_at = ducat.account_time(account_id) WHERE account_id = ${id}`;
    expect(await advance(id, 6 * day)).toBe(0);
    expect(await advance(id, day + 1)).toBe(1);
    expect(await readAvailable(id)).toBe(10);
  });

  it("makes room on the day that it is canceled for, before anybody writes that down", async () => {
    const { id } = await makeAccount(database.app);
    await subscribe(id, { status: "active" });
    await advance(id, 40 * day);
    await database.admin`
      UPDATE ducat.subscriptions SET cancel_at = ducat.account_time(account_id) + interval '5 days'
      WHERE account_id = ${id}`;
    expect(await advance(id, 4 * day)).toBe(0);
    expect(await advance(id, day + 1)).toBe(1);
  });

  it("ends while the month is given, and neither waits for the other for ever", async () => {
    const { id } = await makeAccount(database.app);
    await subscribe(id, { status: "past_due", late_days: 90 });
    await advanceClock(database.app, id, 40 * day);
    const refilling = await database.admin.begin(async (tx) => {
      await tx`SELECT ducat.grant_credits(${id}, 'adjustment', 1, 'one')`;
      const done = countOutcomes([refillBaseDue(database.worker)]);
      await waitForLocks(database.admin);
      await tx`UPDATE ducat.subscriptions SET status = 'canceled' WHERE account_id = ${id}`;
      return { done };
    });
    expect(await refilling.done).toEqual({ ok: 1 });
    expect(await readAvailable(id)).toBe(11);
  });
});

describe("whose person is not verified yet", () => {
  it("gets nothing, also with the months, until they are", async () => {
    const id = await makeUnverified();
    expect(await advance(id, 40 * day)).toBe(0);
    expect(await readAvailable(id)).toBe(0);
    await verify(id, [randomBytes(32)]);
    expect(await readAvailable(id)).toBe(10);
  });

  it("gets it from the next month on where they were here before", async () => {
    const person = randomBytes(32);
    await verify(await makeUnverified(), [person]);
    const id = await makeUnverified();
    await verify(id, [person]);
    expect(await readAvailable(id)).toBe(0);
    expect(await advance(id, 32 * day)).toBe(1);
    expect(await readAvailable(id)).toBe(10);
  });
});

describe("a default plan that begins to give", () => {
  it("gives to all that are there, and to nobody twice when it is pushed again", async () => {
    await loadCatalog({ adminUrl: database.url, catalog: "letters" });
    const older = await makeAccount(database.app);
    const waiting = await makeUnverified();
    const login = randomUUID();
    await database.admin`INSERT INTO ducat.logins (id) VALUES (${login})`;
    await database.admin`
      INSERT INTO ducat.account_logins (account_id, login_id) VALUES (${waiting}, ${login})`;
    expect(await refillAccount(database.worker, older.id)).toBe(0);
    for (let n = 0; n < 2; n += 1) {
      await loadCatalog({ adminUrl: database.url, catalog: "copywriter" });
      await refillBaseDue(database.worker);
      expect(await readAvailable(older.id)).toBe(10);
    }
    expect(await readAvailable(waiting)).toBe(0);
  });

  it("gives its stock too, and keeps no more than its cap of what rolls over", async () => {
    const { admin } = database;
    const features = { stamps: spent };
    const { product } = await makeFeatured(admin, { features, allowances: { stamps: 3 } });
    await admin`
      UPDATE ducat.products SET rollover = 'capped', rollover_cap = 4, credits = 10
      WHERE id = ${product.id}`;
    await admin`UPDATE ducat.products SET is_default = (id = ${product.id}) WHERE is_default OR
      id = ${product.id}`;
    try {
      const { id } = await makeAccount(database.app);
      expect(await advance(id, 70 * day)).toBe(2);
      expect(await readAvailable(id)).toBe(14);
      const [stamps] = await admin`
        SELECT sum(remaining)::int AS n FROM ducat.allowance_grants WHERE account_id = ${id}`;
      expect(stamps).toEqual({ n: 7 });
    } finally {
      await admin`UPDATE ducat.products SET is_default = (key = 'free') WHERE is_default OR
        key = 'free'`;
    }
  });
});
