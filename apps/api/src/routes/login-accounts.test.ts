import { randomUUID } from "node:crypto";
import { openVendorAccount } from "@ducat/db/login-accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAuth, logIn, makeEmail, makePerson, password } from "../../test/person.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";
import { logInByPhone, makePhone, readCode, send, verify } from "../../test/telephone.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const business_name = "Ada's Gardens";
type Tokens = { access_token: string; refresh_token: string; account_id: string };
async function begin() {
  const person = await makePerson(stage);
  const tokens: Tokens = await logIn(stage, person.email);
  return { ...person, ...tokens, bearer: tokens.access_token };
}
const open = (bearer: string, name = business_name) =>
  stage.call("/v1/auth/accounts", { bearer, body: { kind: "vendor", business_name: name } });
const list = async (bearer: string) =>
  (await stage.call("/v1/auth/accounts", { bearer })).body.data as { id: string }[];
const goTo = (bearer: string, body: object) => stage.call("/v1/auth/sessions", { bearer, body });
/** Somebody with both accounts, and a session on each. */
async function beginBoth() {
  const user = await begin();
  await open(user.bearer);
  const vendor: Tokens = (await goTo(user.bearer, { kind: "vendor" })).body;
  return { user, vendor };
}
const readBalance = async (bearer: string) =>
  (await stage.call("/v1/credits/balance", { bearer })).body;
const readStatus = async (bearer: string) =>
  (await stage.call("/v1/credits/balance", { bearer })).status;
const refresh = async (refresh_token: string) =>
  (await askAuth(stage, "refresh", { refresh_token })).status;
const give = (account: string, amount: number) =>
  stage.call(`/v1/admin/accounts/${account}/credits`, {
    ...{ key: randomUUID(), body: { amount, reason: "for a test" } },
  });

describe("a login's vendor account", () => {
  it("is made beside the user's, with its address and name, and without a trial", async () => {
    const { bearer, email, account_id, loginId } = await begin();
    const made = await open(bearer);
    expect(made.status).toBe(201);
    const { id } = made.body;
    expect(made.body).toMatchObject({ kind: "vendor", business_name, is_current: false });
    expect(await list(bearer)).toMatchObject([
      { id: account_id, kind: "user", business_name: null, is_current: true },
      { id, kind: "vendor", business_name, is_current: false, last_login_at: null },
    ]);
    const { access_token, account_id: on } = (await goTo(bearer, { account_id: id })).body;
    expect(on).toBe(id);
    expect((await stage.call("/v1/me", { bearer: access_token })).body).toMatchObject({
      ...{ id, kind: "vendor", email },
    });
    expect((await stage.call("/v1/vendor", { bearer: access_token })).body.business_name).toBe(
      business_name,
    );
    expect(await readBalance(access_token)).toMatchObject({ available: 0, trial_credits: 0 });
    expect(await readBalance(bearer)).toMatchObject({ trial_credits: 3 });
    const [line] = await stage.db.admin`
      SELECT actor, action FROM ducat.audit_logs WHERE account_id = ${id} ORDER BY id LIMIT 1`;
    expect(line).toEqual({ actor: `login:${loginId}`, action: "account.create" });
  });

  it("is one, however often and however many times at once it is asked for", async () => {
    const { bearer } = await begin();
    const answers = await Promise.all(Array.from({ length: 8 }, () => open(bearer)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    const again = await open(bearer, "Another name");
    expect([again.status, again.body.business_name]).toEqual([200, business_name]);
    expect(await list(bearer)).toHaveLength(2);
  });

  it("is for people who have proven who they are", async () => {
    const email = makeEmail();
    await askAuth(stage, "register", { email, password });
    const { access_token: bearer, account_id } = await logIn(stage, email);
    expect((await open(bearer)).body.code).toBe("not_verified");
    const [login] = await stage.db.admin`SELECT id FROM ducat.logins WHERE email = ${email}`;
    const audit = { actor: "test", request_id: "test", ip: null };
    const vendor = { businessName: "x", audit };
    await expect(openVendorAccount(stage.db.app, login?.id, vendor)).rejects.toMatchObject({
      code: "invalid_state",
    });
    for (const how of [{ account: account_id }, { bearer: null }]) {
      for (const path of ["accounts", "sessions"]) {
        const { status } = await stage.call(`/v1/auth/${path}`, { ...how, body: {} });
        expect(status).toBe("bearer" in how ? 401 : 403);
      }
    }
  });

  it("takes no address that another vendor has", async () => {
    const { bearer, email } = await begin();
    await stage.call("/v1/accounts", { body: { external_id: email, kind: "vendor", email } });
    expect((await open(bearer)).status).toBe(201);
    const { access_token } = (await goTo(bearer, { kind: "vendor" })).body;
    expect((await stage.call("/v1/me", { bearer: access_token })).body.email).toBeNull();
  });
});

describe("two accounts of one login", () => {
  it("have credits, generations and payments of their own", async () => {
    const { user, vendor } = await beginBoth();
    await give(vendor.account_id, 7);
    const body = order();
    const made = await stage.call("/v1/generations", { bearer: user.bearer, key: "a", body });
    const { id } = made.body;
    const sold = await stage.call("/v1/generations", {
      ...{ bearer: vendor.access_token, key: "a", body },
    });
    expect([made.status, sold.status]).toEqual([201, 201]);
    expect(sold.headers.get("idempotent-replayed")).toBeNull();
    expect(await readBalance(user.bearer)).toMatchObject({ trial_credits: 2, token_balance: 0 });
    expect(await readBalance(vendor.access_token)).toMatchObject({
      ...{ trial_credits: 0, token_balance: 6 },
    });
    const foreign = await stage.call(`/v1/generations/${id}`, { bearer: vendor.access_token });
    expect(foreign.status).toBe(404);
    const named = await stage.call(`/v1/generations/${id}`, {
      ...{ bearer: vendor.access_token, account: user.account_id },
    });
    expect(named.status).toBe(404);
    const lines = await stage.call("/v1/credits/transactions", { bearer: vendor.access_token });
    expect(lines.text).not.toContain(id);
  });

  it("are chosen by kind at log-in, by password and by code", async () => {
    const { user, vendor } = await beginBoth();
    const enter = async (more: object) =>
      (await askAuth(stage, "login", { email: user.email, password, ...more })).body.account_id;
    expect(await enter({})).toBe(user.account_id);
    expect(await enter({ kind: "user" })).toBe(user.account_id);
    expect(await enter({ kind: "vendor" })).toBe(vendor.account_id);
    const phone = makePhone();
    const { access_token } = await logInByPhone(stage, phone);
    const made = (await open(access_token)).body.id;
    await send(stage, phone);
    const code = await readCode(stage, phone);
    const begun = await verify(stage, { phone, purpose: "login", code, kind: "vendor" });
    expect(begun.body.account_id).toBe(made);
  });

  it("are not chosen where there is none, and nobody learns that without the password", async () => {
    const { email } = await begin();
    const enter = (secret: string) =>
      askAuth(stage, "login", { email, password: secret, kind: "vendor" });
    const wrong = await enter(`${password}!`);
    const refused = await enter(password);
    expect(wrong.status).toBe(401);
    expect([refused.status, refused.body.reason]).toEqual([409, "no_account"]);
    const phone = makePhone();
    await send(stage, phone);
    const code = await readCode(stage, phone);
    const body = { phone, purpose: "login", code };
    const none = await verify(stage, { ...body, kind: "vendor" });
    expect([none.status, none.body.reason]).toEqual([409, "no_account"]);
    const [login] = await stage.db.admin`SELECT FROM ducat.logins WHERE phone = ${phone}`;
    expect(login).toBeUndefined();
    // The code is as good as before.
    expect((await verify(stage, body)).status).toBe(200);
  });

  it("have one trial between them, also when the one that had it is erased", async () => {
    const { user, vendor } = await beginBoth();
    const gone = await stage.call("/v1/me", { method: "DELETE", bearer: user.bearer, body: {} });
    expect(gone.status).toBe(204);
    const { access_token, account_id } = await logIn(stage, user.email);
    expect(account_id).toBe(vendor.account_id);
    expect((await readBalance(access_token)).trial_credits).toBe(0);
    const body = { email: user.email, password, kind: "user" };
    const again = (await askAuth(stage, "login", body)).body;
    expect(again.account_id).not.toBe(user.account_id);
    expect((await readBalance(again.access_token)).trial_credits).toBe(0);
  });

  it("don't shut each other out when one is deactivated", async () => {
    const { user, vendor } = await beginBoth();
    await stage.call(`/v1/admin/accounts/${user.account_id}/deactivate`, { method: "POST" });
    expect(await readStatus(user.bearer)).toBe(401);
    expect(await readStatus(vendor.access_token)).toBe(200);
    expect((await logIn(stage, user.email)).account_id).toBe(vendor.account_id);
    const back = await goTo(vendor.access_token, { account_id: user.account_id });
    expect(back.status).toBe(404);
    expect(
      (await askAuth(stage, "login", { email: user.email, password, kind: "user" })).status,
    ).toBe(401);
  });
});

describe("going on with another account", () => {
  it("is for the login's own accounts: others are as if they were not there", async () => {
    const [{ user }, other] = [await beginBoth(), await beginBoth()];
    const refused = await goTo(user.bearer, { account_id: other.user.account_id });
    const unknown = await goTo(user.bearer, { account_id: randomUUID() });
    expect({ ...refused.body, request_id: "" }).toEqual({ ...unknown.body, request_id: "" });
    expect(refused.status).toBe(404);
    const alone = await begin();
    expect((await goTo(alone.bearer, { kind: "vendor" })).status).toBe(404);
    for (const body of [{}, { kind: "admin" }, { kind: "user", account_id: randomUUID() }]) {
      expect((await goTo(alone.bearer, body)).status).toBe(422);
    }
  });

  it("leaves the session where it is, and ends with it", async () => {
    const { user, vendor } = await beginBoth();
    const third: Tokens = (await goTo(vendor.access_token, { kind: "user" })).body;
    expect(third.account_id).toBe(user.account_id);
    for (const bearer of [user.bearer, vendor.access_token, third.access_token]) {
      expect(await readStatus(bearer)).toBe(200);
    }
    await stage.call("/v1/auth/logout", { method: "POST", bearer: vendor.access_token });
    expect(await readStatus(vendor.access_token)).toBe(401);
    expect(await readStatus(third.access_token)).toBe(401);
    expect(await refresh(third.refresh_token)).toBe(401);
    expect(await readStatus(user.bearer)).toBe(200);
  });

  it("outlives nobody who has stolen the first session's token", async () => {
    const { user, vendor } = await beginBoth();
    await askAuth(stage, "refresh", { refresh_token: user.refresh_token });
    await stage.db.admin`
      UPDATE ducat.sessions SET refreshed_at = refreshed_at - interval '11 seconds'
      WHERE login_id = ${user.loginId}`;
    expect(await refresh(user.refresh_token)).toBe(401);
    expect(await readStatus(vendor.access_token)).toBe(401);
    expect(await refresh(vendor.refresh_token)).toBe(401);
    const [open] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.sessions
      WHERE login_id = ${user.loginId} AND ended_at IS NULL`;
    expect(open?.n).toBe(0);
  });

  it("is no log-in: what asks for one that was lately refuses", async () => {
    const { vendor } = await beginBoth();
    const body = { email: makeEmail() };
    const bearer = vendor.access_token;
    const refused = await stage.call("/v1/auth/email", { bearer, body });
    expect([refused.status, refused.body.reason]).toEqual([403, "reauthenticate"]);
    const proven = { ...body, password };
    expect((await stage.call("/v1/auth/email", { bearer, body: proven })).status).toBe(202);
  });

  it("while the session ends leaves none open, in any order", async () => {
    for (let n = 0; n < 5; n++) {
      const user = await begin();
      await open(user.bearer);
      const answers = await Promise.all([
        ...Array.from({ length: 4 }, () => goTo(user.bearer, { kind: "vendor" })),
        stage.call("/v1/auth/logout", { method: "POST", bearer: user.bearer }),
      ]);
      expect(answers.map(({ status, text }) => `${status} ${text}`).at(-1)).toBe("204 ");
      const left = await stage.db.admin`
        SELECT FROM ducat.sessions WHERE login_id = ${user.loginId} AND ended_at IS NULL`;
      expect(left).toHaveLength(0);
    }
  });

  it("keeps fifty sessions at most, and the ones that are used", async () => {
    const { bearer, loginId } = await begin();
    await open(bearer);
    let last: Tokens | undefined;
    for (let n = 0; n < 52; n++) {
      last = (await goTo(last?.access_token ?? bearer, { kind: n % 2 ? "user" : "vendor" })).body;
    }
    const [row] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.sessions
      WHERE login_id = ${loginId} AND ended_at IS NULL`;
    expect(row?.n).toBe(50);
    expect(await readStatus(last?.access_token ?? "")).toBe(200);
    expect(await readStatus(bearer)).toBe(401);
  });
});
