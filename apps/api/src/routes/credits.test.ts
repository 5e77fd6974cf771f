import { randomUUID } from "node:crypto";
import { Balance, Consumption, Hold, Transaction, TransactionPage } from "@ducat/types/credits";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeSubscribed } from "../../../../packages/db/test/subscription-facts.ts";
import { type Call, eventually, order, type Stage, setStage } from "../../test/stage.ts";

describe("credits", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());
  const post = (account: string, path: string, body?: object, more: Call = {}) =>
    stage.call(`/v1/credits/${path}`, { account, body, method: "POST", ...more });
  const consume = (account: string, body: object, more: Call = {}) =>
    post(account, "consume", body, { key: randomUUID(), ...more });
  const hold = (account: string, body: object, more: Call = {}) =>
    post(account, "holds", body, { key: randomUUID(), ...more });
  const read = async (account: string) =>
    Balance.parse((await stage.call("/v1/credits/balance", { account })).body);

  it("have a balance that says where they come from", async () => {
    const account = await stage.makeAccount(10);
    const balance = await read(account);
    expect(balance).toMatchObject({
      available: 13,
      trial_credits: 3,
      token_balance: 10,
      bound: [],
      held: 0,
      debt: 0,
      frozen: false,
      period: null,
      next_refill_at: null,
      lifetime: { granted: 13, used: 0, expired: 0 },
    });
    expect(balance.grants.map(({ source, remaining }) => [source, remaining])).toEqual([
      ["trial", 3],
      ["adjustment", 10],
    ]);
  });

  it("of a subscription say what its period gave, what is used, and when more come", async () => {
    const one = await makeSubscribed(stage.db);
    await one.show();
    await one.pay();
    await consume(one.accountId, { amount: 13 });
    const [start, end] = one.period(0).map((at) => at.toISOString());
    expect(await read(one.accountId)).toMatchObject({
      available: 90,
      period: { start, end, granted: 100, used: 10 },
      next_refill_at: end,
    });
  });

  it("are consumed once per key, free ones first", async () => {
    const account = await stage.makeAccount(10);
    const key = randomUUID();
    const spend = { amount: 5, description: "a letter" };
    const done = await consume(account, spend, { key });
    expect(done.status).toBe(201);
    expect(Consumption.parse(done.body)).toEqual({
      amount: 5,
      charged: { trial: 3, token: 2 },
      credit_type: "mixed",
      transaction_id: `${account}.3`,
      available: 8,
      held: 0,
      debt: 0,
    });
    const again = await consume(account, spend, { key });
    expect([again.status, again.text]).toEqual([201, done.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const other = await consume(account, { ...spend, amount: 4 }, { key });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_conflict"]);
    expect((await read(account)).available).toBe(8);
  });

  it("are consumed once by twenty parallel requests with one key", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => consume(account, { amount: 2 }, { key })),
    );
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    expect(all.filter(({ headers }) => headers.has("idempotent-replayed"))).toHaveLength(19);
    expect((await read(account)).available).toBe(1);
  });

  it("are refused with 402 when there are too few, and the key stays usable", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const refused = await consume(account, { amount: 4 }, { key });
    expect(refused.status).toBe(402);
    expect(refused.body).toMatchObject({ required: 4, available: 3, subject: null });
    expect((await consume(account, { amount: 3 }, { key })).status).toBe(201);
  });

  it("are set aside, captured in part, and the rest goes back", async () => {
    const account = await stage.makeAccount(10);
    const key = randomUUID();
    const held = await hold(account, { amount: 6, expires_in: 60 }, { key });
    expect(held.status).toBe(201);
    const opened = Hold.parse(held.body);
    expect(opened).toMatchObject({ status: "open", amount: 6, captured: 0, available: 7, held: 6 });
    const life = Date.parse(opened.expires_at ?? "") - Date.now();
    expect(life).toBeGreaterThan(50_000);
    expect((await hold(account, { amount: 6, expires_in: 60 }, { key })).text).toBe(held.text);
    const capture = () => post(account, `holds/${opened.id}/capture`, { amount: 4 });
    const captured = await capture();
    expect(captured.status).toBe(200);
    expect(Hold.parse(captured.body)).toMatchObject({
      status: "captured",
      captured: 4,
      released: 2,
      available: 9,
      held: 0,
    });
    const again = await capture();
    expect([again.status, again.text]).toEqual([200, captured.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const released = await post(account, `holds/${opened.id}/release`);
    expect([released.status, released.body.current_status]).toEqual([409, "captured"]);
  });

  it("are released once, and never captured beyond what was set aside", async () => {
    const account = await stage.makeAccount();
    const { body } = await hold(account, { amount: 2 });
    const more = await post(account, `holds/${body.id}/capture`, { amount: 3 });
    expect([more.status, more.body.code, more.body.held]).toEqual([422, "validation_failed", 2]);
    const released = await post(account, `holds/${body.id}/release`);
    expect(Hold.parse(released.body)).toMatchObject({ status: "released", released: 2 });
    expect((await post(account, `holds/${body.id}/release`)).text).toBe(released.text);
    expect((await read(account)).available).toBe(3);
  });

  it("come back by themselves when a hold expires", async () => {
    const account = await stage.makeAccount();
    const { body } = await hold(account, { amount: 3, expires_in: 1 });
    await eventually(async () => expect((await read(account)).available).toBe(3));
    const late = await post(account, `holds/${body.id}/capture`, { amount: 1 });
    expect([late.status, late.body.code]).toEqual([409, "invalid_state"]);
  });

  it("have a history, newest first, page by page, with filters and a total", async () => {
    const account = await stage.makeAccount(5);
    const made = await stage.call("/v1/generations", { account, key: "g", body: order() });
    await consume(account, { amount: 2, description: "a letter" });
    const list = async (query: string) => {
      const page = await stage.call(`/v1/credits/transactions?${query}`, { account });
      expect(page.status).toBe(200);
      return TransactionPage.parse(page.body);
    };
    const first = await list("limit=2&count=true");
    expect(first.total).toBe(4);
    expect(first.data.map((line) => Transaction.parse(line))).toMatchObject([
      { id: `${account}.4`, type: "usage", amount: -2, balance_after: 5, description: "a letter" },
      { id: `${account}.3`, type: "generation", amount: -1, generation_id: made.body.id },
    ]);
    const second = await list(`limit=2&cursor=${first.next_cursor}`);
    expect(second.data.map(({ type, amount }) => [type, amount])).toEqual([
      ["adjustment", 5],
      ["trial", 3],
    ]);
    expect(second.next_cursor).toBeNull();
    expect((await list("type=trial")).data).toHaveLength(1);
    const later = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
    expect((await list(`from=${later}`)).data).toEqual([]);
    expect((await list(`to=${later}`)).data).toHaveLength(4);
  });

  it.each([
    ["type=bonus", "#/query/type"],
    ["limit=1e9", "#/query/limit"],
    [`cursor=${Buffer.from("transaction:0").toString("base64url")}`, "#/query/cursor"],
    [`cursor=${Buffer.from("transaction:1;").toString("base64url")}`, "#/query/cursor"],
    ["from=2026-01-01T00:00:00", "#/query/from"],
  ])("refuse the query %s of their history", async (query, pointer) => {
    const account = await stage.makeAccount();
    const refused = await stage.call(`/v1/credits/transactions?${query}`, { account });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, pointer]);
  });

  it.each([
    ["consume", {}, "/amount"],
    ["consume", { amount: 0 }, "/amount"],
    ["consume", { amount: -1 }, "/amount"],
    ["consume", { amount: 1.5 }, "/amount"],
    ["consume", { amount: "1" }, "/amount"],
    ["consume", { amount: 1e12 + 1 }, "/amount"],
    ["consume", { amount: 1, balance: 9 }, "/balance"],
    ["holds", { amount: 1, expires_in: 86_401 }, "/expires_in"],
    ["holds", { amount: 1, expires_in: 0 }, "/expires_in"],
    [`holds/${randomUUID()}/capture`, { amount: 0 }, "/amount"],
  ])("refuse to %s %j", async (path, body, pointer) => {
    const account = await stage.makeAccount();
    const refused = await post(account, path, body, { key: randomUUID() });
    expect([refused.status, refused.body.errors?.[0].pointer]).toEqual([422, pointer]);
    expect((await read(account)).available).toBe(3);
  });

  it("ask for a key of ours, an account and an Idempotency-Key", async () => {
    const account = await stage.makeAccount();
    const paths = ["balance", "transactions"].map((path) => `/v1/credits/${path}`);
    for (const path of paths) {
      expect((await stage.call(path, { account, bearer: null })).status).toBe(401);
      expect((await stage.call(path)).body.code).toBe("account_required");
    }
    for (const path of ["consume", "holds"]) {
      const { body } = await post(account, path, { amount: 1 });
      expect(body.code).toBe("idempotency_key_required");
    }
  });

  it("are not spent while the account is frozen", async () => {
    const account = await stage.makeAccount();
    await stage.db.admin`
      UPDATE ducat.credit_accounts SET frozen = '{admin}' WHERE account_id = ${account}`;
    const refused = await consume(account, { amount: 1 });
    expect([refused.status, refused.body.code]).toEqual([403, "account_frozen"]);
    expect((await read(account)).frozen).toBe(true);
  });
});
