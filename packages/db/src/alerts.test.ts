import { describe, expect, it } from "vitest";
import { makeOffer, makePaid } from "../test/billing-factories.ts";
import { givePurchase, makeAccount, makeGeneration, makeKey } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { createAccount } from "./accounts.ts";
import { getAlerts, raiseAlerts, raiseDueAlerts, setAlerts } from "./alerts.ts";
import { advanceClock, consumeCredits, freezeAccount } from "./credits.ts";
import { findEntitlements } from "./entitlements.ts";
import { releaseUsage, trackUsage } from "./usage.ts";

const database = useDatabase({ checksEvents: true });
const day = 86_400;
const all = { low_balance: null, quota: true, expiring: true, messages: true };

const spend = (id: string, amount: number) =>
  consumeCredits(database.app, id, { ...makeKey(), amount });

/** What an account was told, oldest first. */
async function listTold(accountId: string) {
  const rows = await database.admin<{ type: string; data: Record<string, unknown> }[]>`
    SELECT type, data FROM ducat.outbox
    WHERE account_id = ${accountId}
      AND type IN ('credits.low', 'credits.expiring', 'quota.warning', 'quota.reached')
    ORDER BY id`;
  return rows.map(({ type, data }) => ({ type, ...data }));
}
const listTypes = async (accountId: string) => (await listTold(accountId)).map(({ type }) => type);
const letters = (limit: number) => ({
  ...{ kind: "limit", name: { en: "Letters", fa: "نامه" }, period: "month", reset: "calendar" },
  limit,
});

/** A pass with features of its own, for a year; its payment gives no credits. */
async function givePass(
  accountId: string,
  features: Record<string, object>,
  allowances: Record<string, number> = {},
) {
  const product = { kind: "pass" as const, credits: 0, valid_days: 400, features, allowances };
  const { price } = await makeOffer(database.admin, product);
  await makePaid(database.app, accountId, { priceId: price.id });
}

const listMessages = (accountId: string) => database.admin<{ kind: string }[]>`
  SELECT kind FROM ducat.messages WHERE account_id = ${accountId} ORDER BY created_at, id`;

describe("a balance under its threshold", () => {
  it("is told once, and once more after a top-up that reached the threshold", async () => {
    const { id } = await makeAccount(database.app, 17);
    await setAlerts(database.app, id, { ...all, low_balance: 10 });
    await spend(id, 10);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await spend(id, 1);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.low"]);
    await spend(id, 1);
    expect(await raiseAlerts(database.worker, id)).toEqual([]);
    // One that leaves it under the threshold arms nothing.
    await givePurchase(database.app, id, 1);
    await spend(id, 1);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    // Nobody looks while it is above: the ledger remembers.
    await givePurchase(database.app, id, 50);
    await spend(id, 51);
    expect(await raiseAlerts(database.app, id, ["balance"])).toEqual(["credits.low"]);
    expect(await listTold(id)).toEqual([
      { type: "credits.low", available: 9, threshold: 10 },
      { type: "credits.low", available: 7, threshold: 10 },
    ]);
  });

  it("is told once by calls that are made at once", async () => {
    const { id } = await makeAccount(database.app, 7);
    await setAlerts(database.app, id, { ...all, low_balance: 10 });
    await spend(id, 5);
    await Promise.all(Array.from({ length: 8 }, () => raiseAlerts(database.app, id)));
    expect(await listTypes(id)).toEqual(["credits.low"]);
  });

  it("is no news when it was there before the threshold", async () => {
    const { id } = await makeAccount(database.app);
    await setAlerts(database.app, id, { ...all, low_balance: 10 });
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await givePurchase(database.app, id, 10);
    await spend(id, 8);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.low"]);
  });

  it("counts what can be spent for anything", async () => {
    const { id } = await makeAccount(database.app, 10);
    await givePurchase(database.app, id, 50, { subject: "house" });
    await setAlerts(database.app, id, { ...all, low_balance: 10 });
    await spend(id, 5);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.low"]);
  });

  it("is not told anew by a top-up that comes while it is looked at", async () => {
    const { admin } = database;
    const { id } = await makeAccount(database.app, 10);
    await setAlerts(database.app, id, { ...all, low_balance: 10 });
    await spend(id, 5);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.low"]);
    await spend(id, 1);
    const [seen] = await admin`
      SELECT a::text AS account FROM ducat.credit_accounts a WHERE account_id = ${id}`;
    await givePurchase(database.app, id, 50);
    const [row] = await admin`
      SELECT ducat.tell_low_balance(${seen?.account}::ducat.credit_accounts, 10, true) AS told`;
    expect(row?.told).toEqual([]);
    await spend(id, 50);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.low"]);
  });

  it("reads no line of the ledger twice, however long it stays there", async () => {
    const { id } = await makeAccount(database.app, 10);
    await setAlerts(database.app, id, { ...all, low_balance: 1_000_000 });
    await givePurchase(database.app, id, 1_000_000);
    await spend(id, 20);
    const told = [await raiseAlerts(database.app, id)];
    const readUntil = async () => {
      const [row] = await database.admin`
        SELECT s.seq = a.seq AS is_all FROM ducat.alert_states s
        JOIN ducat.credit_accounts a USING (account_id)
        WHERE account_id = ${id} AND alert = 'balance'`;
      return row?.is_all;
    };
    for (let n = 0; n < 3; n++) {
      await givePurchase(database.app, id, 1);
      await spend(id, 3);
      told.push(await raiseAlerts(database.app, id, ["balance"]));
      expect(await readUntil()).toBe(true);
    }
    expect(told).toEqual([["credits.low"], [], [], []]);
  });

  it("is found by the round when nobody raised it, also of a frozen account", async () => {
    const { id } = await makeAccount(database.app, 10);
    await setAlerts(database.app, id, { ...all, low_balance: 10 });
    await spend(id, 5);
    const audit = { actor: "test", request_id: "r", ip: null };
    await freezeAccount(database.app, id, { reason: "admin", frozen: true, audit });
    while ((await raiseDueAlerts(database.worker)) > 0);
    expect(await listTypes(id)).toEqual(["credits.low"]);
  });
});

describe("a quota", () => {
  const track = (id: string, feature: string, amount: number) =>
    trackUsage(database.app, id, { feature, amount, eventId: makeKey().key });

  it("is told at 80 and at 100 %, once, and again in the next period", async () => {
    const { id } = await makeAccount(database.app);
    await givePass(id, { letters: letters(5) });
    await track(id, "letters", 3);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await track(id, "letters", 1);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.warning"]);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await track(id, "letters", 1);
    expect(await raiseAlerts(database.app, id, ["quota"])).toEqual(["quota.reached"]);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await advanceClock(database.app, id, 31 * day);
    await track(id, "letters", 5);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
    expect(await listTold(id)).toMatchObject([
      { type: "quota.warning", quota: "letters", used: 4, limit: 5 },
      { type: "quota.reached", used: 5, limit: 5 },
      { type: "quota.reached", used: 5, limit: 5 },
    ]);
  });

  it("is not told again for what was given back, and is for a larger limit", async () => {
    const { id } = await makeAccount(database.app);
    await givePass(id, { letters: letters(5) });
    const last = { feature: "letters", amount: 1, eventId: makeKey().key };
    await track(id, "letters", 4);
    await trackUsage(database.app, id, last);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
    await releaseUsage(database.app, id, last.eventId);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await track(id, "letters", 1);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await givePass(id, { letters: letters(10) });
    await track(id, "letters", 3);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.warning"]);
    await track(id, "letters", 2);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
  });

  it("of a stock that is spent is armed again by a top-up", async () => {
    const { id } = await makeAccount(database.app);
    const mail = { kind: "stock", counts: "spent", name: { en: "Letters by post" } };
    await givePass(id, { mail_credits: mail }, { mail_credits: 4 });
    await track(id, "mail_credits", 4);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
    await givePass(id, { mail_credits: mail }, { mail_credits: 12 });
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await track(id, "mail_credits", 12);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
  });

  it("of places is told again when it was less full between", async () => {
    const { id } = await makeAccount(database.app);
    const places = { kind: "stock", counts: "held", name: { en: "Pictures" }, limit: 3 };
    await givePass(id, { pictures: places });
    const eventId = makeKey().key;
    await trackUsage(database.app, id, { feature: "pictures", amount: 3, eventId });
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
    await releaseUsage(database.app, id, eventId);
    while ((await raiseDueAlerts(database.worker)) > 0);
    await track(id, "pictures", 3);
    expect(await raiseAlerts(database.app, id)).toEqual(["quota.reached"]);
  });

  it("is found by the round, whoever took the last of it, also in parallel", async () => {
    const { id } = await makeAccount(database.app);
    await givePass(id, { letters: letters(5) });
    await Promise.allSettled(Array.from({ length: 20 }, () => track(id, "letters", 1)));
    while ((await raiseDueAlerts(database.worker)) > 0);
    expect(await listTypes(id)).toEqual(["quota.reached"]);
    const [left] = await database.admin`
      SELECT count(*)::int AS n FROM ducat.alert_dues WHERE account_id = ${id}`;
    expect(left).toEqual({ n: 0 });
  });
});

describe("a quota of generations", () => {
  it("is found by the round after the items that took the last of it", async () => {
    const { id } = await makeAccount(database.app);
    await givePass(id, { letters: letters(5) });
    const { features } = await findEntitlements(database.app, id);
    const { period_start } = features.letters as { period_start: string };
    const at = { period_start, resets_at: period_start };
    const usage = [
      { feature: "letters", amount: 1, limit: 5, ...at },
      // What a plan allows of work is no quota of anybody's.
      { feature: "_open_items", amount: 1, limit: 5, ...at, until: "end" as const },
    ];
    await makeGeneration(database.app, id, { labels: Array(5).fill(null), unitCost: 0, usage });
    while ((await raiseDueAlerts(database.worker)) > 0);
    expect(await listTold(id)).toMatchObject([{ type: "quota.reached", quota: "letters" }]);
  });
});

describe("credits that are about to expire", () => {
  it("are told three days before, once, all in one", async () => {
    const { id } = await makeAccount(database.app);
    await givePurchase(database.app, id, 5, { validForSeconds: 10 * day });
    await givePurchase(database.app, id, 6, { validForSeconds: 11 * day });
    await givePurchase(database.app, id, 7, { validForSeconds: 20 * day });
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await advanceClock(database.app, id, 8.5 * day);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.expiring"]);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
    await advanceClock(database.app, id, 8.6 * day);
    expect(await raiseAlerts(database.app, id)).toEqual(["credits.expiring"]);
    expect(await listTold(id)).toMatchObject([{ amount: 11 }, { amount: 7 }]);
  });

  it("are found by the round as time goes on, and not looked at in vain", async () => {
    const { id } = await makeAccount(database.app);
    await givePurchase(database.app, id, 5, { validForSeconds: 10 * day });
    while ((await raiseDueAlerts(database.worker)) > 0);
    await advanceClock(database.app, id, 8 * day);
    expect(await raiseDueAlerts(database.worker)).toBe(1);
    expect(await raiseDueAlerts(database.worker)).toBe(0);
    // Another grant, that ends sooner than what was told.
    await givePurchase(database.app, id, 2, { validForSeconds: 4 * day });
    expect(await raiseDueAlerts(database.worker)).toBe(1);
    await advanceClock(database.app, id, 1.5 * day);
    expect(await raiseDueAlerts(database.worker)).toBe(1);
    expect(await listTold(id)).toMatchObject([{ amount: 5 }, { amount: 2 }]);
  });

  it("are not told of what was spent, nor of what lives no longer than the notice", async () => {
    const { id } = await makeAccount(database.app);
    await givePurchase(database.app, id, 5, { validForSeconds: 2 * day });
    await givePurchase(database.app, id, 5, { validForSeconds: 5 * day });
    await spend(id, 3 + 10);
    await advanceClock(database.app, id, 3 * day);
    expect(await raiseAlerts(database.app, id)).toEqual([]);
  });
});

describe("what an account wants to hear", () => {
  it("is everything but its balance until it says so", async () => {
    const { id } = await makeAccount(database.app);
    expect(await getAlerts(database.app, id)).toEqual(all);
    const wish = { low_balance: 5, quota: false, expiring: false, messages: false };
    expect(await setAlerts(database.app, id, wish)).toEqual(wish);
    expect(await getAlerts(database.app, id)).toEqual(wish);
  });

  it("reaches it as a message, in the transaction of the event, or only the product", async () => {
    const { app } = database;
    const names = ["hears", "silent"].map((name) => `${name}-${makeKey().key}`);
    const [hears, silent] = await Promise.all(
      names.map(async (external_id) => {
        const email = `${external_id}@example.com`;
        const made = await createAccount(app, { external_id, kind: "user", email });
        return made.account.id;
      }),
    );
    for (const id of [hears ?? "", silent ?? ""]) {
      await givePurchase(app, id, 7);
      await setAlerts(app, id, { ...all, low_balance: 5, messages: id === hears });
      await spend(id, 8);
      await raiseAlerts(app, id);
      expect(await listTypes(id)).toEqual(["credits.low"]);
    }
    expect(await listMessages(hears ?? "")).toEqual([{ kind: "credits_low" }]);
    expect(await listMessages(silent ?? "")).toEqual([]);
  });

  it("refuses what is no threshold, and accounts that are not there", async () => {
    const { id } = await makeAccount(database.app);
    const set = (low_balance: number) => setAlerts(database.app, id, { ...all, low_balance });
    await expect(set(0)).rejects.toMatchObject({ code: "validation_failed" });
    const nobody = "01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1";
    await expect(setAlerts(database.app, nobody, all)).rejects.toMatchObject({ code: "not_found" });
    await expect(raiseAlerts(database.app, nobody)).rejects.toMatchObject({ code: "not_found" });
  });
});
