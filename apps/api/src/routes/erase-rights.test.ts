import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Issuer, startIssuer } from "../../test/issuer.ts";
import { askAuth, logIn, makeEmail, makePerson, password } from "../../test/person.ts";
import { type Stage, setStage } from "../../test/stage.ts";
import { logInByPhone, makePhone } from "../../test/telephone.ts";
import { trustIssuers } from "../../test/trust-issuers.ts";
import { accountScopes, scopes } from "../scopes.ts";

let stage: Stage;
let issuer: Issuer;
beforeAll(async () => {
  issuer = await startIssuer();
  stage = await setStage({ deps: { externalIssuers: trustIssuers([issuer]) } });
  await stage.deps.cache.ready();
});
afterAll(async () => {
  await stage.close();
  await issuer.close();
});

const erase = (how: object, body?: object) =>
  stage.call("/v1/me", { method: "DELETE", ...how, ...(body && { body }) });
const isThere = async (id: string) => {
  const [row] = await stage.db.admin`SELECT erased_at FROM ducat.accounts WHERE id = ${id}`;
  return row?.erased_at === null;
};
const refusals = {
  forbidden: [403, "forbidden", undefined],
  again: [403, "forbidden", "reauthenticate"],
};
const seen = ({ status, body }: Awaited<ReturnType<typeof erase>>) => [
  status,
  body?.code,
  body?.reason,
];
/** As if the session had begun so long ago. */
const age = (loginId: string, minutes: number) => stage.db.admin`
  UPDATE ducat.sessions SET created_at = created_at - make_interval(mins => ${minutes})
  WHERE login_id = ${loginId}`;
async function begin() {
  const { email, loginId } = await makePerson(stage);
  const { access_token, refresh_token, account_id } = await logIn(stage, email);
  return { email, loginId, bearer: access_token, refresh_token, id: account_id };
}

describe("erasing an account is nothing", () => {
  it("that a browser's token or an account's own key may do, with all scopes there are", async () => {
    const account = await stage.makeAccount();
    const token = await stage.call(`/v1/accounts/${account}/tokens`, { body: {} });
    const key = await stage.call("/v1/api-keys", {
      account,
      body: { name: "its own", scopes: accountScopes },
    });
    for (const bearer of [token.body.token, key.body.key]) {
      expect((await stage.call("/v1/me", { bearer })).status).toBe(200);
      expect(seen(await erase({ bearer }, { confirm: true }))).toEqual(refusals.forbidden);
      // They are told nothing of a body either.
      expect(seen(await erase({ bearer }, { confirm: "yes" }))).toEqual(refusals.forbidden);
    }
    expect(await isThere(account)).toBe(true);
  });

  it("that a server may do without the scope of accounts, and no other is needed", async () => {
    const account = await stage.makeAccount();
    const keyOf = async (wanted: readonly string[]) =>
      (await stage.call("/v1/api-keys", { body: { name: "x", scopes: wanted } })).body.key;
    const rest = await keyOf(scopes.filter((scope) => scope !== "accounts"));
    expect(seen(await erase({ bearer: rest, account }))).toEqual(refusals.forbidden);
    expect(await isThere(account)).toBe(true);
    const bearer = await keyOf(["accounts"]);
    expect((await erase({ bearer })).body.code).toBe("account_required");
    expect((await erase({ bearer, account })).status).toBe(204);
    expect(await isThere(account)).toBe(false);
  });
});

describe("a person who erases their account", () => {
  it("has logged in within ten minutes; refreshing is no logging in", async () => {
    const { id, bearer, loginId, refresh_token } = await begin();
    await age(loginId, 11);
    expect(seen(await erase({ bearer }))).toEqual(refusals.again);
    const { body: next } = await askAuth(stage, "refresh", { refresh_token });
    expect(seen(await erase({ bearer: next.access_token }))).toEqual(refusals.again);
    expect(await isThere(id)).toBe(true);
    await age(loginId, -2);
    expect((await erase({ bearer })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
  });

  it("or gives the password, and has ten guesses at it", async () => {
    const { id, bearer, loginId } = await begin();
    await age(loginId, 60);
    const wrong = await erase({ bearer }, { confirm: true, password: `${password}!` });
    expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([422, "/password"]);
    expect((await erase({ bearer }, { confirm: true, password })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
    const other = await begin();
    const guess = () => erase({ bearer: other.bearer }, { password: "wrong" });
    const guesses = await Promise.all(Array.from({ length: 14 }, guess));
    const statuses = guesses.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(10).fill(422), ...Array(4).fill(429)]);
    expect(await isThere(other.id)).toBe(true);
  });

  it("who has no password logs in again by a code", async () => {
    const phone = makePhone();
    const first = await logInByPhone(stage, phone);
    const [login] = await stage.db.admin`SELECT id FROM ducat.logins WHERE phone = ${phone}`;
    await age(login?.id, 60);
    const { access_token: bearer, account_id: id } = first;
    expect(seen(await erase({ bearer }))).toEqual(refusals.again);
    expect((await erase({ bearer }, { password })).status).toBe(422);
    const { access_token: fresh } = await logInByPhone(stage, phone);
    expect((await erase({ bearer: fresh })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
  });

  it("needn't have proven who they are", async () => {
    const email = makeEmail();
    await askAuth(stage, "register", { email, password });
    const { access_token: bearer, account_id: id } = await logIn(stage, email);
    const change = await stage.call("/v1/me", { bearer, method: "PATCH", body: { name: "x" } });
    expect(change.body.code).toBe("not_verified");
    expect((await erase({ bearer })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
  });

  it("erases their own, whatever office they have and whomever they name", async () => {
    const { id, bearer, loginId } = await begin();
    const other = await stage.makeAccount();
    await stage.db.admin`UPDATE ducat.logins SET role = 'admin' WHERE id = ${loginId}`;
    await stage.deps.cache.drop([`login:${loginId}`]);
    await age(loginId, 60);
    expect(seen(await erase({ bearer, account: other }))).toEqual(refusals.again);
    expect((await erase({ bearer, account: other }, { password })).status).toBe(204);
    expect([await isThere(id), await isThere(other)]).toEqual([false, true]);
  });
});

describe("somebody signed in elsewhere who erases their account", () => {
  const now = () => Math.floor(Date.now() / 1000);
  let people = 0;
  const openAs = async (claims: object) => {
    const bearer = await issuer.sign(claims);
    const { body } = await stage.call("/v1/me", { bearer });
    return { bearer, id: String(body.id) };
  };
  const makeSubject = () => `person-${++people}`;

  it("has signed in within ten minutes, as their issuer says", async () => {
    const sub = makeSubject();
    const { id, bearer } = await openAs({ sub });
    for (const old of [{}, { auth_time: now() - 700 }, { fva: [11, 1] }, { fva: [-1, -1] }]) {
      const claims = { sub, iat: now(), ...old };
      const answer = await erase({ bearer: await issuer.sign(claims) }, { password });
      expect([old, ...seen(answer)]).toEqual([old, ...refusals.again]);
    }
    expect(seen(await erase({ bearer }))).toEqual(refusals.again);
    expect(await isThere(id)).toBe(true);
    const fresh = await issuer.sign({ sub, auth_time: now() - 300 });
    expect((await erase({ bearer: fresh })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
  });

  it.each([
    ["Supabase", () => ({ amr: [{ method: "password", timestamp: now() - 200 }] })],
    ["Clerk", () => ({ fva: [3, -1] })],
  ])("as %s tells it, too, verified or not", async (_, tell) => {
    const sub = makeSubject();
    const { id, bearer } = await openAs({ sub, email_verified: false, ...tell() });
    expect((await erase({ bearer })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
  });

  it("is nobody with the tokens of before, and gets no new account by them", async () => {
    const [sub, auth_time] = [makeSubject(), now() - 100];
    const { id, bearer } = await openAs({ sub, auth_time });
    const unread = await issuer.sign({ sub, auth_time, jti: "another" });
    // By a clock that is ahead of ours.
    const ahead = await issuer.sign({ sub, iat: now() + 4 });
    const simple = await issuer.sign({ sub });
    expect((await erase({ bearer })).status).toBe(204);
    const countAll = async () => (await stage.db.admin`SELECT FROM ducat.accounts`).length;
    const before = await countAll();
    for (const token of [bearer, unread, ahead, simple]) {
      const answer = await stage.call("/v1/me", { bearer: token });
      expect([401, 403]).toContain(answer.status);
    }
    expect((await stage.call("/v1/me", { bearer: unread })).status).toBe(401);
    expect(await countAll()).toBe(before);
    await stage.db.admin`
      UPDATE ducat.erased_identities SET erased_at = erased_at - interval '1 minute'`;
    // The app has got another token meanwhile, and nobody has signed in.
    const late = await issuer.sign({ sub, auth_time, iat: now() });
    expect((await stage.call("/v1/me", { bearer: late })).status).toBe(401);
    expect(await countAll()).toBe(before);
    const again = await openAs({ sub, auth_time: now() });
    expect(again.id).not.toBe(id);
    expect((await stage.call("/v1/credits/balance", again)).body.available).toBe(0);
  });

  it("without a word of when, is erased by the product's server", async () => {
    const { id } = await openAs({ sub: makeSubject() });
    expect((await erase({ account: id })).status).toBe(204);
    expect(await isThere(id)).toBe(false);
  });
});
