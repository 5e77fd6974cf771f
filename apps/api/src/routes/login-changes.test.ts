import { useLoginChange } from "@ducat/db/login-changes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findSecrets } from "../../test/find-secrets.ts";
import {
  askAuth,
  logIn,
  makeEmail,
  makePerson,
  password,
  readMails,
  readToken,
} from "../../test/person.ts";
import { type Answer, type Stage, setStage } from "../../test/stage.ts";
import { logInByPhone, makePhone, otherThan, readCode, send } from "../../test/telephone.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage({ deps: { proxyHops: 1 } });
  await stage.deps.cache.ready();
  stage.deps.logins.sms = { countries: [], dailyLimit: 1_000_000 };
});
afterAll(() => stage.close());

type Person = { email: string; loginId: string; bearer: string };
async function makeUser(): Promise<Person> {
  const { email, loginId } = await makePerson(stage);
  return { email, loginId, bearer: (await logIn(stage, email)).access_token };
}
async function makeCaller() {
  const phone = makePhone();
  const tokens = await logInByPhone(stage, phone);
  return { phone, bearer: String(tokens.access_token), account: String(tokens.account_id) };
}

const ask = (bearer: string, path: string, body: object) =>
  stage.call(`/v1/auth/${path}`, { bearer, body });
const start = (bearer: string, email: string, more: object = {}) =>
  ask(bearer, "email", { email, ...more });
const finish = (bearer: string, email: string, code: string) =>
  ask(bearer, "email/verify", { email, code });
/** Whatever is asked for, an address or a number. */
async function change(bearer: string, target: { email: string } | { phone: string }) {
  const [[channel = "", address = ""] = []] = Object.entries(target);
  const sent = await ask(bearer, channel, target);
  if (sent.status !== 202) return sent;
  return await ask(bearer, `${channel}/verify`, {
    ...target,
    code: await readCode(stage, address),
  });
}
const readStatus = async (bearer: string) =>
  (await stage.call("/v1/credits/balance", { bearer })).status;
const readLogin = async (loginId: string) => {
  const [login] = await stage.db.admin`
    SELECT email, email_verified, phone FROM ducat.logins WHERE id = ${loginId}`;
  return login;
};
/** The session began longer ago than a log-in counts for. */
const letPass = (loginId: string) => stage.db.admin`
  UPDATE ducat.sessions SET created_at = created_at - interval '10 minutes 1 second'
  WHERE login_id = ${loginId}`;
const seen = ({ status, headers, body }: Answer) => ({
  status,
  headers: [...headers.keys()].sort(),
  body: body && { ...body, request_id: "" },
});

describe("another e-mail address", () => {
  it("counts when its code is shown, logs in from then on, and the old one doesn't", async () => {
    const { email, loginId, bearer } = await makeUser();
    const next = makeEmail();
    const sent = await start(bearer, next.toUpperCase(), { locale: "fa" });
    expect([sent.status, sent.body]).toEqual([202, { expires_in: 600 }]);
    expect(await readLogin(loginId)).toEqual({ email, email_verified: true, phone: null });
    expect((await askAuth(stage, "login", { email: next, password })).status).toBe(401);
    const code = await readCode(stage, next);
    expect((await finish(bearer, next, code)).status).toBe(204);
    expect(await readLogin(loginId)).toEqual({ email: next, email_verified: true, phone: null });
    expect((await askAuth(stage, "login", { email, password })).status).toBe(401);
    expect((await logIn(stage, next)).is_verified).toBe(true);
    expect((await stage.call("/v1/me", { bearer })).body.email).toBe(next);
  });

  it("is told to the old one, and to nobody by name", async () => {
    const { email, bearer } = await makeUser();
    const next = makeEmail();
    await start(bearer, next);
    expect((await readMails(stage, email)).map(({ kind }) => kind)).not.toContain("login_changed");
    await finish(bearer, next, await readCode(stage, next));
    const [notice] = await readMails(stage, email);
    expect(notice).toEqual({ kind: "login_changed", data: { channel: "email" } });
    expect((await readMails(stage, next)).map(({ kind }) => kind)).toEqual(["login_code"]);
    const [mail] = await stage.db.admin`
      SELECT account_id FROM ducat.messages WHERE recipient = ${next}`;
    expect(mail?.account_id).toBe("00000000-0000-0000-0000-000000000000");
  });

  it("ends every other session, challenge and link, and leaves the one that asked", async () => {
    const { email, loginId, bearer } = await makeUser();
    const other = await logIn(stage, email);
    await askAuth(stage, "forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    expect((await change(bearer, { email: makeEmail() })).status).toBe(204);
    expect(await readStatus(bearer)).toBe(200);
    expect(await readStatus(other.access_token)).toBe(401);
    const refreshed = await askAuth(stage, "refresh", { refresh_token: other.refresh_token });
    expect(refreshed.status).toBe(401);
    const reset = await askAuth(stage, "reset-password", { token, password: `${password}!` });
    expect([reset.status, reset.body.reason]).toEqual([409, "link_ended"]);
    const [line] = await stage.db.admin`
      SELECT actor, metadata::text AS metadata FROM ducat.audit_logs
      WHERE action = 'login.change_email' AND resource_id = ${loginId}`;
    expect(line?.actor).toBe(`login:${loginId}`);
    expect(line?.metadata).not.toContain("@");
  });

  it("asks for the password where the log-in was ten minutes ago", async () => {
    const { email, loginId, bearer } = await makeUser();
    const next = makeEmail();
    await letPass(loginId);
    const late = await start(bearer, next);
    expect([late.status, late.body.reason]).toEqual([403, "reauthenticate"]);
    const wrong = await start(bearer, next, { password: `${password}!` });
    expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([422, "/password"]);
    expect(await readMails(stage, next)).toEqual([]);
    expect((await start(bearer, next, { password })).status).toBe(202);
    const again = await logIn(stage, email);
    expect((await start(again.access_token, next)).status).toBe(202);
  });

  it("that somebody has is answered like any other, until its code is shown", async () => {
    const [owner, { bearer, loginId }] = [await makeUser(), await makeUser()];
    const [taken, free] = [await start(bearer, owner.email), await start(bearer, makeEmail())];
    expect(seen(taken)).toEqual(seen(free));
    await start(bearer, owner.email);
    const code = await readCode(stage, owner.email);
    const wrong = await finish(bearer, owner.email, otherThan(code));
    const unknown = await finish(bearer, makeEmail(), code);
    expect(seen(wrong)).toEqual(seen(unknown));
    expect([wrong.status, wrong.body.errors[0].pointer]).toEqual([422, "/code"]);
    const right = await finish(bearer, owner.email, code);
    expect([right.status, right.body.code]).toEqual([409, "already_exists"]);
    expect((await finish(bearer, owner.email, code)).status).toBe(422);
    expect((await readLogin(owner.loginId))?.email).toBe(owner.email);
    expect((await readLogin(loginId))?.email).not.toBe(owner.email);
    expect(await readStatus(owner.bearer)).toBe(200);
  });

  it("that somebody only says to have goes to whoever proves it", async () => {
    const squatted = makeEmail();
    await askAuth(stage, "register", { email: squatted, password });
    const link = await readToken(stage, squatted);
    const squatter = await logIn(stage, squatted);
    const { bearer, loginId } = await makeUser();
    expect((await change(bearer, { email: squatted })).status).toBe(204);
    expect((await readLogin(loginId))?.email).toBe(squatted);
    expect(await readStatus(squatter.access_token)).toBe(401);
    expect((await askAuth(stage, "verify-email", { token: link })).status).toBe(409);
    const trials = await stage.db.admin`
      SELECT FROM ducat.credit_grants WHERE account_id = ${squatter.account_id}`;
    expect(trials).toHaveLength(0);
  });

  it("that was mistyped at the sign-up can be put right, and brings the trial", async () => {
    const wrong = makeEmail();
    await askAuth(stage, "register", { email: wrong, password });
    const link = await readToken(stage, wrong);
    const { access_token: bearer } = await logIn(stage, wrong);
    const right = makeEmail();
    expect((await change(bearer, { email: right })).status).toBe(204);
    const { body } = await stage.call("/v1/credits/balance", { bearer });
    expect(body.trial_credits).toBe(3);
    expect((await askAuth(stage, "verify-email", { token: link })).status).toBe(409);
    // Whose it was is not known: they learn nothing.
    expect((await readMails(stage, wrong)).map(({ kind }) => kind)).toEqual(["verify_email"]);
  });

  it("brings the trial with the next log-in when it broke off before", async () => {
    const [wrong, address] = [makeEmail(), makeEmail()];
    await askAuth(stage, "register", { email: wrong, password });
    const { access_token: bearer } = await logIn(stage, wrong);
    await start(bearer, address);
    const { codes, tokens } = stage.deps.logins;
    const [login] = await stage.db.admin`SELECT id FROM ducat.logins WHERE email = ${wrong}`;
    const asker = { loginId: login?.id, sessionId: tokens.read("access", bearer)?.id ?? "" };
    const code = await readCode(stage, address);
    const hashes = codes.hashChange({ ...asker, channel: "email", address, code });
    const guess = { channel: "email", address, hashes, notice: { sealed: "x" } } as const;
    const by = { guess, audit: { actor: "test", request_id: "test", ip: null } };
    expect(await useLoginChange(stage.db.app, asker, by)).toBe("changed");
    const { access_token } = await logIn(stage, address);
    const { body } = await stage.call("/v1/credits/balance", { bearer: access_token });
    expect(body.trial_credits).toBe(3);
  });

  it("gives no second trial to anybody", async () => {
    const { email, bearer } = await makeUser();
    await change(bearer, { email: makeEmail() });
    const { body } = await stage.call("/v1/credits/balance", { bearer });
    expect(body.trial_credits).toBe(3);
    await askAuth(stage, "register", { email, password });
    await askAuth(stage, "verify-email", { token: await readToken(stage, email) });
    const { access_token } = await logIn(stage, email);
    const balance = await stage.call("/v1/credits/balance", { bearer: access_token });
    expect(balance.body.trial_credits).toBe(0);
  });
});

describe("a code for a new address", () => {
  it("is good for the session that asked, once, and for what it was asked for", async () => {
    const { email, bearer } = await makeUser();
    const sibling = (await logIn(stage, email)).access_token;
    const stranger = await makeUser();
    const [next, later] = [makeEmail(), makeEmail()];
    await start(bearer, next);
    const code = await readCode(stage, next);
    expect((await finish(sibling, next, code)).status).toBe(422);
    expect((await finish(stranger.bearer, next, code)).status).toBe(422);
    expect((await finish(bearer, later, code)).status).toBe(422);
    await start(bearer, later);
    expect((await finish(bearer, next, code)).status, "it is void").toBe(422);
    const right = await readCode(stage, later);
    expect((await finish(bearer, later, right)).status).toBe(204);
    expect((await finish(bearer, later, right)).status).toBe(422);
  });

  it("of 20 guesses at once is judged five times, and is burned", async () => {
    const { bearer, loginId } = await makeUser();
    const next = makeEmail();
    await start(bearer, next);
    const code = await readCode(stage, next);
    const guesses = Array.from({ length: 20 }, (_, n) =>
      finish(bearer, next, otherThan(code, n + 1)),
    );
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([422]));
    const [row] = await stage.db.admin`
      SELECT tries FROM ducat.login_changes WHERE login_id = ${loginId}`;
    expect(row?.tries).toBe(5);
    expect((await finish(bearer, next, code)).status).toBe(422);
  });

  it("shown ten times at once is accepted once; late, not at all", async () => {
    const { bearer, loginId } = await makeUser();
    const next = makeEmail();
    await start(bearer, next);
    const code = await readCode(stage, next);
    const answers = await Promise.all(Array.from({ length: 10 }, () => finish(bearer, next, code)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    const late = makeEmail();
    await start(bearer, late);
    await stage.db.admin`
      UPDATE ducat.login_changes SET expires_at = clock_timestamp() WHERE login_id = ${loginId}`;
    expect((await finish(bearer, late, await readCode(stage, late))).status).toBe(422);
  });

  it("of two who want the same address at once, one gets it", async () => {
    const rivals = await Promise.all([makeUser(), makeUser(), makeUser(), makeUser()]);
    const email = makeEmail();
    const codes: string[] = [];
    for (const { bearer } of rivals) {
      await start(bearer, email);
      codes.push(await readCode(stage, email));
    }
    const answers = await Promise.all(
      rivals.map(({ bearer }, n) => finish(bearer, email, codes[n] ?? "")),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 409, 409, 409]);
  });

  it("is void with the session, and with a new password", async () => {
    const { email, bearer } = await makeUser();
    const next = makeEmail();
    await start(bearer, next);
    const code = await readCode(stage, next);
    await askAuth(stage, "forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    await askAuth(stage, "reset-password", { token, password });
    expect((await finish(bearer, next, code)).status).toBe(401);
    const again = (await logIn(stage, email)).access_token;
    expect((await finish(again, next, code)).status).toBe(422);
  });

  it("has limits by address and by login, whoever asks", async () => {
    const { bearer } = await makeUser();
    const email = makeEmail();
    const statuses: number[] = [];
    for (let n = 0; n < 6; n++) statuses.push((await start(bearer, email)).status);
    expect(statuses).toEqual([202, 202, 202, 202, 202, 429]);
    for (let n = 0; n < 5; n++) expect((await start(bearer, makeEmail())).status).toBe(202);
    const refused = await start(bearer, makeEmail());
    expect([refused.status, refused.body.retry_after_s > 0]).toEqual([429, true]);
    const stranger = await makeUser();
    expect((await start(stranger.bearer, email)).status).toBe(429);
    const phone = makePhone();
    const sent = [];
    for (let n = 0; n < 4; n++) {
      sent.push((await ask(stranger.bearer, "phone", { phone })).status);
    }
    expect(sent).toEqual([202, 202, 202, 429]);
    expect((await send(stage, phone)).status, "one limit of the number").toBe(429);
  });

  it("is for people with a session of their own", async () => {
    const account = await stage.makeAccount();
    const token = (await stage.call(`/v1/accounts/${account}/tokens`, { body: {} })).body.token;
    for (const path of ["email", "email/verify", "phone", "phone/verify"]) {
      expect((await askAuth(stage, path, {})).status).toBe(401);
      expect((await ask(token, path, {})).status).toBe(403);
      expect((await stage.call(`/v1/auth/${path}`, { body: {}, account })).status).toBe(403);
    }
  });

  it("is nowhere in clear, nor is the address in the log", async () => {
    const { bearer } = await makeUser();
    const email = makeEmail();
    await start(bearer, email);
    const code = await readCode(stage, email);
    await finish(bearer, email, otherThan(code));
    expect(await findSecrets(stage, { code })).toEqual([]);
    expect(stage.lines.join("")).not.toContain(email);
  });
});

describe("a telephone number", () => {
  it("is added to a login with an address, which is told, and logs in from then on", async () => {
    const { email, loginId, bearer } = await makeUser();
    const phone = makePhone();
    expect((await change(bearer, { phone })).status).toBe(204);
    expect(await readLogin(loginId)).toEqual({ email, email_verified: true, phone });
    const [notice] = await readMails(stage, email);
    expect(notice).toEqual({ kind: "login_changed", data: { channel: "phone" } });
    const { account_id } = await logInByPhone(stage, phone);
    expect(account_id).toBe((await stage.call("/v1/me", { bearer })).body.id);
    expect((await askAuth(stage, "login", { phone, password })).status).toBe(200);
    expect((await stage.call("/v1/me", { bearer })).body.phone).toBe(phone);
  });

  it("is changed, and then the old one opens nothing of it", async () => {
    const { phone, bearer, account } = await makeCaller();
    await send(stage, phone, "password_reset");
    const reset = await readCode(stage, phone);
    const next = makePhone();
    await ask(bearer, "phone", { phone: next.replace("+98", "0098") });
    const code = await readCode(stage, next);
    expect((await ask(bearer, "phone/verify", { phone: ` ${next}`, code })).status).toBe(204);
    const [notice] = await readMails(stage, phone);
    expect(notice).toEqual({ kind: "login_changed", data: { channel: "phone" } });
    const body = { phone, purpose: "password_reset", code: reset, password };
    expect((await askAuth(stage, "otp/verify", body)).status).toBe(401);
    expect((await logInByPhone(stage, phone)).account_id).not.toBe(account);
    expect((await logInByPhone(stage, next)).account_id).toBe(account);
  });

  it("that somebody has stays theirs", async () => {
    const [owner, { bearer }] = [await makeCaller(), await makeUser()];
    const free = await ask(bearer, "phone", { phone: makePhone() });
    const taken = await ask(bearer, "phone", { phone: owner.phone });
    expect(seen(taken)).toEqual(seen(free));
    const code = await readCode(stage, owner.phone);
    const refused = await ask(bearer, "phone/verify", { phone: owner.phone, code });
    expect(refused.body.code).toBe("already_exists");
    expect((await logInByPhone(stage, owner.phone)).account_id).toBe(owner.account);
  });

  it("has to be one that messages can be sent to", async () => {
    const { bearer } = await makeUser();
    const refused = await ask(bearer, "phone", { phone: "+982112345678" });
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/phone"]);
  });
});

describe("an address beside a number", () => {
  it("is told to the number, and its link sets a first password that ends what is open", async () => {
    const { phone, bearer, account } = await makeCaller();
    const email = makeEmail();
    expect((await change(bearer, { email })).status).toBe(204);
    const [notice] = await readMails(stage, phone);
    expect(notice).toEqual({ kind: "login_changed", data: { channel: "email" } });
    expect((await askAuth(stage, "login", { email, password })).status).toBe(401);
    await askAuth(stage, "forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    expect((await askAuth(stage, "reset-password", { token, password })).status).toBe(204);
    expect(await readStatus(bearer)).toBe(401);
    expect((await logIn(stage, email)).account_id).toBe(account);
    expect((await logInByPhone(stage, phone)).account_id).toBe(account);
  });

  it("is left out of the account where another account has it", async () => {
    const email = makeEmail();
    const body = { external_id: email, email };
    await stage.call("/v1/accounts", { body });
    const { bearer } = await makeCaller();
    expect((await change(bearer, { email })).status).toBe(204);
    expect((await stage.call("/v1/me", { bearer })).body.email).toBeNull();
    const next = makeEmail();
    expect((await change(bearer, { email: next })).status).toBe(204);
    expect((await stage.call("/v1/me", { bearer })).body.email).toBe(next);
  });
});
