import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCache } from "../../../../packages/cache/src/cache.ts";
import { makeOffer, makePaid } from "../../../../packages/db/test/billing-factories.ts";
import { fillAccount } from "../../test/canaries.ts";
import { askAuth, logIn, makePerson, password } from "../../test/person.ts";
import { eventually, order, rootKey, type Stage, setStage } from "../../test/stage.ts";
import { createApp } from "../app.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const act = (account: string, verb: string) =>
  stage.call(`/v1/admin/accounts/${account}/${verb}`, { method: "POST" });
/** But for those of how the account was made and got its tokens. */
const listAudits = (account: string) => stage.db.admin`
  SELECT actor, action, metadata FROM ducat.audit_logs
  WHERE account_id = ${account} AND action NOT IN ('account.create', 'account_token.create')
  ORDER BY id`;

describe("finding accounts", () => {
  const find = async (query: Record<string, string>) => {
    const { body } = await stage.call(`/v1/admin/accounts?${new URLSearchParams(query)}`);
    return body.data.map(({ id }: { id: string }) => id);
  };

  it("goes by id, external id, address, number, and how a name begins", async () => {
    const make = async (body: object) => (await stage.call("/v1/accounts", { body })).body.id;
    const word = randomUUID().slice(0, 8);
    const user = await make({
      external_id: `Ext-${word}`,
      name: `${word} Éclair`,
      email: `${word}@x.org`,
      phone: "+4915199990001",
    });
    const vendor = await make({
      external_id: `ven-${word}`,
      kind: "vendor",
      name: `${word.toUpperCase()} Gardens`,
      email: `${word}@x.org`,
      phone: "+4915199990001",
    });
    expect(await find({ query: user })).toEqual([user]);
    expect(await find({ query: user.toUpperCase() })).toEqual([user]);
    expect(await find({ query: `Ext-${word}` })).toEqual([user]);
    expect(await find({ query: `ext-${word}` })).toEqual([]);
    expect(await find({ query: `${word.toUpperCase()}@X.ORG` })).toEqual([vendor, user]);
    expect(await find({ query: "+4915199990001" })).toEqual([vendor, user]);
    expect(await find({ query: "+4915199990001", kind: "user" })).toEqual([user]);
    expect(await find({ query: `${word} É` })).toEqual([user]);
    expect(await find({ query: `${word} é` })).toEqual([user]);
    expect(await find({ query: word })).toEqual([vendor, user]);
    for (const nobody of ["%", "_", `%${word}`, `${word}%`, "Éclair", "x".repeat(320)]) {
      expect([nobody, await find({ query: nobody })]).toEqual([nobody, []]);
    }
  });

  it("turns pages, newest first, each account once", async () => {
    const made = [];
    for (let n = 0; n < 5; n++) made.unshift(await stage.makeAccount());
    const seen: string[] = [];
    let path = "/v1/admin/accounts?limit=2";
    for (let pages = 0; pages < 3; pages++) {
      const { body } = await stage.call(path);
      seen.push(...body.data.map(({ id }: { id: string }) => id));
      path = `/v1/admin/accounts?limit=2&cursor=${body.next_cursor}`;
    }
    expect(seen.slice(0, 5)).toEqual(made);
    expect(new Set(seen).size).toBe(6);
  });

  it.each([
    ["query=", "query"],
    ["query=%00", "query"],
    [`query=${"x".repeat(321)}`, "query"],
    ["kind=admin", "kind"],
    ["limit=101", "limit"],
    ["cursor=abc", "cursor"],
    ["name=x", "name"],
  ])("refuses ?%s", async (query, at) => {
    const refused = await stage.call(`/v1/admin/accounts?${query}`);
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, `#/query/${at}`]);
  });

  it("is by the index of names, also where there are many", async () => {
    const plan = await stage.db.admin.begin(async (sql) => {
      await sql`SET LOCAL enable_seqscan = off`;
      return await sql`EXPLAIN SELECT id FROM ducat.accounts a
        WHERE lower(a.name) ~>=~ 'ada' AND lower(a.name) ~<~ 'adb'`;
    });
    expect(JSON.stringify(plan)).toContain("accounts_name_prefix");
  });
});

describe("an account as support sees it", () => {
  it("has its balance, plan, vendor, reasons and logins, by either id", async () => {
    const external_id = `x-${randomUUID()}`;
    const body = { external_id, kind: "vendor", name: "Ada" };
    const { id } = (await stage.call("/v1/accounts", { body })).body;
    const login = await fillAccount(stage, id, `mark-${randomUUID()}`);
    const { price, product } = await makeOffer(
      stage.db.admin,
      { kind: "plan" },
      { interval: "month" },
    );
    const provider = "zarinpal";
    await makePaid(stage.db.app, id, { priceId: price.id, provider, purpose: "subscription" });
    const profile = { business_name: "Ada's" };
    await stage.call("/v1/vendor", { account: id, method: "PUT", body: profile });
    await act(id, "freeze");
    const { status, body: shown } = await stage.call(`/v1/admin/accounts/${external_id}`);
    expect(status).toBe(200);
    expect(shown).toMatchObject({
      id,
      external_id,
      erased_at: null,
      frozen: ["admin"],
      balance: { trial_credits: 3, frozen: true },
      vendor: { business_name: "Ada's" },
      subscription: { status: "active", plan: { key: product.key } },
      logins: [{ id: login, role: "user", verified_at: null }],
    });
    expect((await stage.call(`/v1/admin/accounts/${id}`)).body).toEqual(shown);
    expect((await stage.call("/v1/admin/accounts/nobody")).status).toBe(404);
  });
});

describe("freezing by an admin", () => {
  it("stops spending until it is lifted, with what was before and after", async () => {
    const account = await stage.makeAccount();
    await stage.db.app`SELECT ducat.freeze_account(${account}, 'dispute:1', true, '{}')`;
    expect((await act(account, "freeze")).body.frozen).toEqual(["dispute:1", "admin"]);
    const spend = () =>
      stage.call("/v1/credits/consume", { account, key: randomUUID(), body: { amount: 1 } });
    expect((await spend()).body.code).toBe("account_frozen");
    expect((await act(account, "unfreeze")).body.frozen).toEqual(["dispute:1"]);
    expect((await spend()).body.code).toBe("account_frozen");
    await stage.db.app`SELECT ducat.freeze_account(${account}, 'dispute:1', false, '{}')`;
    expect((await spend()).status).toBe(201);
    const [, first, second] = await listAudits(account);
    const change = { actor: "root", action: "account.freeze" };
    expect(first).toMatchObject({
      ...change,
      metadata: { reason: "admin", before: ["dispute:1"], after: ["dispute:1", "admin"] },
    });
    expect(second).toMatchObject({ ...change, metadata: { after: ["dispute:1"] } });
    expect((await act(randomUUID(), "freeze")).status).toBe(404);
  });
});

describe("an account that is deactivated", () => {
  it("is refused at once, here and in every other process, whoever acts for it", async () => {
    const account = await stage.makeAccount(5);
    const external = (await stage.call("/v1/me", { account })).body.external_id;
    const scopes = { scopes: ["credits", "styles", "generations"] };
    const key = await stage.call("/v1/api-keys", { account, body: { name: "k", ...scopes } });
    const token = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    const cache = createCache({ postgresUrl: stage.db.url, log: stage.deps.log });
    await cache.ready();
    const elsewhere = { app: createApp({ ...stage.deps, cache }), cache };
    const read = async (
      how: { bearer?: string; account?: string },
      path: string,
      app = stage.app,
    ) => {
      const headers = new Headers({ authorization: `Bearer ${how.bearer ?? rootKey}` });
      if (how.account) headers.set("ducat-account", how.account);
      return (await app.request(path, { headers })).status;
    };
    const callers = [
      [{ account }, "/v1/credits/balance"],
      [{ account: external }, "/v1/credits/balance"],
      [{ account }, "/v1/products"],
      [{ account }, "/v1/api-keys"],
      [{ bearer: key.body.key }, "/v1/credits/balance"],
      [{ bearer: key.body.key }, "/v1/styles"],
      [{ bearer: token.body.token }, "/v1/generations"],
      [{ bearer: token.body.token }, "/v1/me"],
    ] as const;
    const tryAll = (app = stage.app) =>
      Promise.all(callers.map(([how, path]) => read(how, path, app)));
    const open = callers.map(() => 200);
    const shut = callers.map(() => 403);
    expect(await tryAll()).toEqual(open);
    expect(await tryAll(elsewhere.app)).toEqual(open);

    const done = await act(account, "deactivate");
    expect([done.status, done.body.is_active]).toEqual([200, false]);
    expect(await tryAll()).toEqual(shut);
    // Far sooner than what it remembers would end by itself.
    await expect.poll(() => tryAll(elsewhere.app), { timeout: 1_000, interval: 20 }).toEqual(shut);

    expect((await act(account, "activate")).body.is_active).toBe(true);
    expect(await tryAll()).toEqual(open);
    await expect.poll(() => tryAll(elsewhere.app), { timeout: 1_000, interval: 20 }).toEqual(open);
    await cache.close();
    const lines = (await listAudits(account)).filter(({ action }) => action.includes("activate"));
    expect(lines).toMatchObject([
      {
        action: "account.deactivate",
        metadata: { before: { is_active: true }, after: { is_active: false } },
      },
      {
        action: "account.activate",
        metadata: { before: { is_active: false }, after: { is_active: true } },
      },
    ]);
  });

  it("gets no token, and is still an admin's to correct and to read", async () => {
    const account = await stage.makeAccount();
    const made = await stage.call("/v1/generations", { account, key: "g", body: order() });
    await act(account, "deactivate");
    const token = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    expect(token.body.code).toBe("forbidden");
    const credits = await stage.call(`/v1/admin/accounts/${account}/credits`, {
      key: randomUUID(),
      body: { amount: 4, reason: "sorry" },
    });
    expect(credits.status).toBe(201);
    const refund = await stage.call(`/v1/admin/generations/${made.body.id}/refund`, {
      account,
      key: randomUUID(),
      body: { reason: "sorry" },
    });
    expect([refund.status, refund.body.items]).toEqual([201, 0]);
    expect((await stage.call(`/v1/admin/accounts/${account}`)).body.is_active).toBe(false);
  });

  it("costs no query while it is remembered", async () => {
    const account = await stage.makeAccount();
    const { body } = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    let queries = 0;
    const db = new Proxy(stage.deps.db, {
      apply: (target, self, args) => {
        queries += 1;
        return Reflect.apply(target, self, args);
      },
    });
    const app = createApp({ ...stage.deps, db });
    const headers = { authorization: `Bearer ${body.token}` };
    for (let n = 0; n < 5; n++) {
      expect((await app.request("/v1/credits/balance", { headers })).status).toBe(200);
    }
    // Five balances, and at most one look at the account.
    expect(queries).toBeLessThanOrEqual(6);
    expect(queries).toBeGreaterThanOrEqual(5);
  });
});

describe("the role of a login", () => {
  const setRole = (id: string, role: unknown) =>
    stage.call(`/v1/admin/logins/${id}/role`, { body: { role } });

  it("is set by an admin, told to every process, and written down", async () => {
    const login = await fillAccount(stage, await stage.makeAccount(), `mark-${randomUUID()}`);
    const heard: string[] = [];
    const { unlisten } = await stage.db.admin.listen("ducat_cache", (tags) => heard.push(tags));
    expect((await setRole(login, "support")).body).toEqual({ id: login, role: "support" });
    await eventually(() => expect(heard).toContain(`["login:${login}"]`));
    await unlisten();
    await setRole(login, "admin");
    const lines = await stage.db.admin`
      SELECT action, metadata FROM ducat.audit_logs WHERE resource_id = ${login} ORDER BY id`;
    expect(lines).toEqual([
      {
        action: "login.role",
        metadata: { before: { role: "user" }, after: { role: "support" } },
      },
      {
        action: "login.role",
        metadata: { before: { role: "support" }, after: { role: "admin" } },
      },
    ]);
  });

  it("is one of three, of a login that there is", async () => {
    expect((await setRole(randomUUID(), "admin")).status).toBe(404);
    expect((await setRole("me", "admin")).status).toBe(404);
    for (const role of ["root", "", null, ["admin"]]) {
      expect((await setRole(randomUUID(), role)).status).toBe(422);
    }
  });
});

describe("a login that is banned", () => {
  const banLogin = (id: string, verb = "ban", bearer = rootKey) =>
    stage.call(`/v1/admin/logins/${id}/${verb}`, { method: "POST", bearer });
  const begin = async () => {
    const { email, loginId } = await makePerson(stage);
    const { access_token: bearer, refresh_token } = await logIn(stage, email);
    return { email, loginId, bearer: String(bearer), refresh: String(refresh_token) };
  };
  const readStatus = async (bearer: string, app = stage.app) => {
    const headers = { authorization: `Bearer ${bearer}` };
    return (await app.request("/v1/credits/balance", { headers })).status;
  };

  it("is out at once, here and in every other process, and in again when the ban is over", async () => {
    const { email, loginId, bearer, refresh } = await begin();
    const vendor = { kind: "vendor", business_name: "x" };
    await stage.call("/v1/auth/accounts", { bearer, body: vendor });
    const on = await stage.call("/v1/auth/sessions", { bearer, body: { kind: "vendor" } });
    const bearers: string[] = [bearer, on.body.access_token];
    const cache = createCache({ postgresUrl: stage.db.url, log: stage.deps.log });
    await cache.ready();
    const elsewhere = createApp({ ...stage.deps, cache });
    const tryAll = (app = stage.app) => Promise.all(bearers.map((one) => readStatus(one, app)));
    expect([await tryAll(), await tryAll(elsewhere)]).toEqual([
      [200, 200],
      [200, 200],
    ]);

    const done = await banLogin(loginId);
    expect([done.status, done.body]).toEqual([200, { id: loginId, banned_at: expect.any(String) }]);
    expect(await tryAll()).toEqual([401, 401]);
    // Far sooner than what it remembers would end by itself.
    const how = { timeout: 1_000, interval: 20 };
    await expect.poll(() => tryAll(elsewhere), how).toEqual([401, 401]);
    await cache.close();
    expect((await askAuth(stage, "refresh", { refresh_token: refresh })).status).toBe(401);
    expect((await askAuth(stage, "login", { email, password })).status).toBe(401);
    expect((await banLogin(loginId)).body).toEqual(done.body);

    expect((await banLogin(loginId, "unban")).body).toEqual({ id: loginId, banned_at: null });
    expect(await readStatus(bearer)).toBe(401);
    expect((await logIn(stage, email)).access_token).toBeDefined();
  });

  it("is written down, with who did it and what was before and after", async () => {
    const [admin, { loginId }] = [await begin(), await begin()];
    await stage.db.admin`UPDATE ducat.logins SET role = 'admin' WHERE id = ${admin.loginId}`;
    const { banned_at: since } = (await banLogin(loginId, "ban", admin.bearer)).body;
    await banLogin(loginId, "unban", admin.bearer);
    const lines = await stage.db.admin`
      SELECT actor, action, metadata, request_id IS NOT NULL AS asked FROM ducat.audit_logs
      WHERE resource_id = ${loginId} AND action LIKE 'login.%ban' ORDER BY id`;
    const at = expect.stringContaining(since.slice(0, 19));
    const by = { actor: `login:${admin.loginId}`, asked: true };
    expect(lines).toEqual([
      {
        ...{ ...by, action: "login.ban" },
        metadata: { before: { banned_at: null }, after: { banned_at: at } },
      },
      {
        ...{ ...by, action: "login.unban" },
        metadata: { before: { banned_at: at }, after: { banned_at: null } },
      },
    ]);
  });

  it("is banned by admins alone, and only if there is one", async () => {
    const [caller, support] = [await begin(), await begin()];
    await stage.db.admin`UPDATE ducat.logins SET role = 'support' WHERE id = ${support.loginId}`;
    for (const { bearer } of [caller, support]) {
      for (const verb of ["ban", "unban"]) {
        expect((await banLogin(caller.loginId, verb, bearer)).status).toBe(403);
      }
    }
    expect(await readStatus(caller.bearer)).toBe(200);
    expect((await banLogin(randomUUID())).status).toBe(404);
    expect((await banLogin("me")).status).toBe(404);
  });
});

describe("routes for admins", () => {
  it("are for nobody with an account's own rights", async () => {
    const account = await stage.makeAccount();
    const { body } = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    const bearer = body.token;
    for (const path of ["", `/${account}`]) {
      expect((await stage.call(`/v1/admin/accounts${path}`, { bearer })).status).toBe(403);
    }
    for (const verb of ["activate", "deactivate", "freeze", "unfreeze", "vendor/verify"]) {
      const path = `/v1/admin/accounts/${account}/${verb}`;
      expect((await stage.call(path, { bearer, method: "POST" })).status).toBe(403);
    }
    expect(await listAudits(account)).toEqual([]);
  });
});
