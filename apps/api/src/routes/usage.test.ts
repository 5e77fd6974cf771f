import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Call, type Stage, setStage } from "../../test/stage.ts";
import { makeSession } from "../../test/tenant.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
  await stage.db.admin`
    UPDATE ducat.products SET features = features || ${stage.db.admin.json({
      letters: {
        ...{ kind: "limit", name: { en: "Letters" }, position: 90, period: "month" },
        ...{ reset: "calendar", limit: 5 },
      },
      stamps: { kind: "stock", name: { en: "Stamps" }, position: 91, counts: "spent" },
      sealing: { kind: "flag", name: { en: "Sealing" }, position: 92, enabled: false },
    })} WHERE is_default`;
});
afterAll(() => stage.close());

const ask = (account: string, path: string, call: Call = {}) =>
  stage.call(path, { account, ...call });
const track = (account: string, more: object = {}, call: Call = {}) =>
  ask(account, "/v1/usage", {
    body: { feature: "letters", amount: 1, event_id: randomUUID(), ...more },
    ...call,
  });
const lettersOf = async (account: string) =>
  (await ask(account, "/v1/entitlements")).body.features.letters;

describe("GET /v1/entitlements", () => {
  it("shows what the plan allows and what of it is used, in the catalog's order", async () => {
    const account = await stage.makeAccount();
    await track(account, { amount: 2 });
    const { status, body } = await ask(account, "/v1/entitlements");
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "none", trial: null, passes: [], plan: { key: "free" } });
    expect(body.features.letters).toEqual({
      ...{ kind: "limit", name: { en: "Letters" }, period: "month", reset: "calendar" },
      ...{ limit: 5, used: 2, remaining: 3, source: "plan" },
      resets_at: expect.stringMatching(/^\d{4}-\d\d-01T00:00:00\.000Z$/),
    });
    expect(body.features.stamps).toEqual({
      ...{ kind: "stock", name: { en: "Stamps" }, counts: "spent", source: "plan" },
      ...{ limit: 0, used: 0, remaining: 0, resets_at: null },
    });
    expect(Object.keys(body.features).slice(-3)).toEqual(["letters", "stamps", "sealing"]);
  });

  it("is for the account itself too, and says of no other", async () => {
    const [account, other] = [await stage.makeAccount(), await stage.makeAccount()];
    await track(other, { amount: 4 });
    const { access } = await makeSession(stage, account);
    const own = await ask(other, "/v1/entitlements", { bearer: access });
    expect(own.body.features.letters.used).toBe(0);
    expect((await stage.call("/v1/entitlements")).body.code).toBe("account_required");
    expect((await stage.call("/v1/entitlements", { bearer: null })).status).toBe(401);
    expect((await ask("nobody", "/v1/entitlements")).status).toBe(404);
  });
});

describe("POST /v1/entitlements/check", () => {
  const check = (account: string, body: object) => ask(account, "/v1/entitlements/check", { body });

  it("says whether so much may be used, and takes nothing", async () => {
    const account = await stage.makeAccount();
    const answer = await check(account, { feature: "letters", amount: 5 });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ allowed: true, quota: "letters", limit: 5, current: 0 });
    const more = await check(account, { feature: "letters", amount: 6 });
    expect(more.body).toMatchObject({ allowed: false, limit: 5, current: 0 });
    const flag = await check(account, { feature: "sealing" });
    expect(flag.body).toEqual({
      ...{ allowed: false, quota: "sealing", limit: 0, current: 0, resets_at: null },
    });
    expect((await lettersOf(account)).used).toBe(0);
  });

  it("refuses what it can't be asked", async () => {
    const account = await stage.makeAccount();
    expect((await check(account, { feature: "unknown" })).body).toMatchObject({
      ...{ code: "not_found", what: "feature" },
    });
    for (const body of [{}, { feature: "letters", amount: 0 }, { feature: "A B" }]) {
      expect((await check(account, body)).status).toBe(422);
    }
  });
});

describe("POST /v1/usage", () => {
  it("of 100 at once is exactly what the limit has", async () => {
    const account = await stage.makeAccount();
    const answers = await Promise.all(Array.from({ length: 100 }, () => track(account)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(5);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(95);
    for (const { status, body } of refused) {
      expect([status, body.code, body.quota]).toEqual([403, "quota_exceeded", "letters"]);
      expect([body.limit, body.current]).toEqual([5, 5]);
    }
    expect(await lettersOf(account)).toMatchObject({ used: 5, remaining: 0 });
  });

  it("is done once per event, and answered as the first time", async () => {
    const account = await stage.makeAccount();
    const event_id = `letter/${randomUUID()} ü`;
    const first = await track(account, { event_id, amount: 2 });
    const again = await track(account, { event_id, amount: 2 });
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.text).toBe(first.text);
    expect([first, again].map(({ headers }) => headers.get("idempotent-replayed"))).toEqual([
      null,
      "true",
    ]);
    const other = await track(account, { event_id, amount: 3 });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_conflict"]);
    // The same name is free for anybody else.
    expect((await track(await stage.makeAccount(), { event_id })).body).toMatchObject({ used: 1 });
  });

  it("takes nothing of a flag or of what nobody knows", async () => {
    const account = await stage.makeAccount();
    expect((await track(account, { feature: "sealing" })).body.code).toBe("validation_failed");
    expect((await track(account, { feature: "unknown" })).body.code).toBe("not_found");
    expect((await track(account, { amount: 1.5 })).status).toBe(422);
    expect((await track(account, { event_id: "" })).status).toBe(422);
  });

  it("is for the product's server: not for an account, whatever it holds", async () => {
    const account = await stage.makeAccount();
    const { access } = await makeSession(stage, account);
    const { body: token } = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    const scopes = ["usage"];
    const own = await ask(account, "/v1/api-keys", { body: { name: "own", scopes } });
    const server = await stage.call("/v1/api-keys", { body: { name: "server", scopes } });
    const event_id = randomUUID();
    await track(account, { event_id });
    for (const bearer of [access, token.token, own.body.key]) {
      expect(bearer).toEqual(expect.any(String));
      const tracked = await track(account, {}, { bearer });
      const call = { bearer, method: "DELETE" };
      const released = await ask(account, `/v1/usage/${event_id}`, call);
      expect([tracked.status, released.status]).toEqual([403, 403]);
      const read = await ask(account, "/v1/usage", { bearer });
      expect([read.status, read.body.data.length]).toEqual([200, 1]);
    }
    const { key: bearer } = server.body;
    expect((await track(account, {}, { bearer })).body).toMatchObject({ used: 2 });
  });
});

describe("DELETE /v1/usage/{event_id}", () => {
  const release = (account: string, event: string) =>
    ask(account, `/v1/usage/${encodeURIComponent(event)}`, { method: "DELETE" });

  it("gives back once what an event took", async () => {
    const account = await stage.makeAccount();
    const event_id = `letter/${randomUUID()} ü`;
    await track(account, { event_id, amount: 2 });
    await track(account, {});
    const first = await release(account, event_id);
    expect([first.status, first.body.returned, first.body.used]).toEqual([200, 2, 1]);
    const again = await release(account, event_id);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await lettersOf(account)).toMatchObject({ used: 1 });
  });

  it("knows no event of another account", async () => {
    const [account, other] = [await stage.makeAccount(), await stage.makeAccount()];
    const event_id = randomUUID();
    await track(account, { event_id });
    const refused = await release(other, event_id);
    expect([refused.status, refused.body.code]).toEqual([404, "not_found"]);
    expect(await lettersOf(account)).toMatchObject({ used: 1 });
  });
});

describe("GET /v1/usage", () => {
  it("turns pages, newest first, by feature and time, of one account", async () => {
    const [account, other] = [await stage.makeAccount(), await stage.makeAccount()];
    await track(other);
    const events = ["a", "b", "c"];
    for (const event_id of events) await track(account, { event_id, subject: "Elm St" });
    await ask(account, "/v1/usage/b", { method: "DELETE" });
    const first = await ask(account, "/v1/usage?limit=2&feature=letters");
    const [newest, second] = first.body.data;
    expect(newest).toEqual({
      ...{ event_id: "c", feature: "letters", amount: 1, subject: "Elm St", released_at: null },
      created_at: expect.any(String),
    });
    expect([second.event_id, second.released_at === null]).toEqual(["b", false]);
    const { next_cursor } = first.body;
    const rest = await ask(account, `/v1/usage?limit=2&cursor=${next_cursor}`);
    expect([rest.body.data.length, rest.body.next_cursor]).toEqual([1, null]);
    expect((await ask(account, "/v1/usage?feature=stamps")).body.data).toEqual([]);
    expect((await ask(account, "/v1/usage?from=2100-01-01T00:00:00Z")).body.data).toEqual([]);
    const foreign = await ask(other, `/v1/usage?cursor=${next_cursor}`);
    expect(foreign.text).not.toContain("Elm St");
  });
});

describe("what an administrator says", () => {
  const admin = (account: string, path: string, call: Call) =>
    stage.call(`/v1/admin/accounts/${account}/${path}`, call);
  const reason = "a test";

  it("goes before the plan at once, until it is taken back or over", async () => {
    const account = await stage.makeAccount();
    expect(await lettersOf(account)).toMatchObject({ limit: 5, source: "plan" });
    const path = "features/letters";
    const put = (body: object) => admin(account, path, { method: "PUT", body });
    const said = await put({ value: 50, reason });
    expect(said.status).toBe(200);
    expect(said.body).toMatchObject({ feature: "letters", value: 50, expires_at: null, reason });
    expect(await lettersOf(account)).toMatchObject({ limit: 50, source: "override" });
    await put({ value: null, reason });
    expect(await lettersOf(account)).toMatchObject({ limit: null, remaining: null });
    expect((await admin(account, path, { method: "DELETE" })).status).toBe(204);
    expect(await lettersOf(account)).toMatchObject({ limit: 5, source: "plan" });
    expect((await put({ value: true, reason })).body).toMatchObject({ code: "validation_failed" });
    const over = { value: 1, reason, expires_at: "2020-01-01T00:00:00Z" };
    expect((await put(over)).status).toBe(422);
    const lines = await stage.db.admin`
      SELECT action FROM ducat.audit_logs
      WHERE account_id = ${account} AND resource = 'feature'`;
    expect(lines).toHaveLength(3);
  });

  it("fills a stock, once per key", async () => {
    const account = await stage.makeAccount();
    const give = (body: object, key: string = randomUUID()) =>
      admin(account, "allowances", {
        body: { feature: "stamps", amount: 2, reason, ...body },
        key,
      });
    const key = "k".repeat(255);
    const first = await give({}, key);
    const again = await give({}, key);
    expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(first.body).toMatchObject({ feature: "stamps", amount: 2, remaining: 2 });
    expect((await give({ amount: 3 }, key)).body.code).toBe("idempotency_conflict");
    const { stamps } = (await ask(account, "/v1/entitlements")).body.features;
    expect(stamps).toMatchObject({ limit: 2, used: 0, remaining: 2 });
    await track(account, { feature: "stamps", amount: 2 });
    expect((await track(account, { feature: "stamps" })).body).toMatchObject({
      ...{ code: "quota_exceeded", quota: "stamps", limit: 2, current: 2 },
    });
    expect((await give({ feature: "letters" })).body.code).toBe("validation_failed");
    const bare = await stage.call(`/v1/admin/accounts/${account}/allowances`, {
      body: { feature: "stamps", amount: 1, reason },
    });
    expect(bare.body.code).toBe("idempotency_key_required");
  });

  it("gives a plan and takes it away", async () => {
    const account = await stage.makeAccount();
    await lettersOf(account);
    const put = (plan: string) => admin(account, "plan", { method: "PUT", body: { plan } });
    const given = await put("monthly_pro");
    expect([given.status, given.body.plan.key]).toEqual([200, "monthly_pro"]);
    expect((await ask(account, "/v1/entitlements")).body.status).toBe("active");
    expect((await put("free")).body.plan.key).toBe("free");
    expect((await put("nothing")).status).toBe(404);
    const nobody = await admin(randomUUID(), "plan", { method: "PUT", body: { plan: "free" } });
    expect(nobody.status).toBe(404);
  });

  it("is not for those who only look on, nor for who may not at all", async () => {
    const account = await stage.makeAccount();
    const { access: bearer } = await makeSession(stage, account, { role: "support" });
    const calls: [string, Call][] = [
      ["features/letters", { method: "PUT", body: { value: 9, reason } }],
      ["features/letters", { method: "DELETE" }],
      ["allowances", { body: { feature: "stamps", amount: 2, reason }, key: randomUUID() }],
      ["plan", { method: "PUT", body: { plan: "free" } }],
    ];
    for (const [path, call] of calls) {
      expect((await admin(account, path, { ...call, bearer })).status).toBe(403);
    }
    expect(await lettersOf(account)).toMatchObject({ limit: 5, source: "plan" });
  });
});
