import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { askAuth, logIn, makeEmail, makePerson, password } from "../../test/person.ts";
import { type Answer, type Stage, setStage } from "../../test/stage.ts";
import {
  logInByPhone,
  makePhone,
  otherThan,
  readCode,
  send,
  verify,
} from "../../test/telephone.ts";
import { createCodeSecrets } from "../logins/code-secrets.ts";
import { codeOf, toBase32 } from "../logins/totp.ts";

let stage: Stage;
/** Moves on with each code that is made, so that each is a new one. */
let clock = Date.parse("2026-11-20T12:00:00Z");
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
  stage.deps.logins.now = () => clock;
});
afterAll(() => stage.close());

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
function fromBase32(text: string): Buffer {
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"));
  const bytes = bits.join("").match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
/** What the app shows, `by` steps from now. */
const show = (secret: string, by = 0) =>
  codeOf(fromBase32(secret), Math.floor(clock / 30_000) + by);
const showNext = (secret: string) => {
  clock += 30_000;
  return show(secret);
};

type Person = { email: string; bearer: string };
async function makeUser(): Promise<Person> {
  const { email } = await makePerson(stage);
  return { email, bearer: (await logIn(stage, email)).access_token };
}
const askOwn = (person: { bearer: string }, path: string, body: object) =>
  stage.call(`/v1/auth/${path}`, { bearer: person.bearer, body });
const offer = async (person: Person) => (await askOwn(person, "totp", { password })).body;
const activate = (person: { bearer: string }, code: string) =>
  askOwn(person, "totp/activate", { code });

/** Somebody whose second factor is in force. */
async function makeGuarded() {
  const person = await makeUser();
  const { secret, backup_codes: backups } = await offer(person);
  expect((await activate(person, showNext(secret))).status).toBe(204);
  return { ...person, secret: String(secret), backups: backups as string[] };
}
const challenge = async (email: string): Promise<string> => (await logIn(stage, email)).challenge;
const answer = (challenge: string, code: string) =>
  askAuth(stage, "totp/verify", { challenge, code });
const readTries = async (loginEmail: string) => {
  const [row] = await stage.db.admin`
    SELECT max(tries) AS tries FROM ducat.totp_challenges
    WHERE login_id = (SELECT id FROM ducat.logins WHERE email = ${loginEmail})`;
  return row?.tries;
};
const seen = ({ status, body }: Answer) => ({ status, body: { ...body, request_id: "" } });

describe("a second factor", () => {
  it("is in force from its first code on, and then asked for", async () => {
    const person = await makeUser();
    const made = await askOwn(person, "totp", { password });
    expect(made.status).toBe(201);
    const { secret, otpauth_url, backup_codes } = made.body;
    expect(fromBase32(secret)).toHaveLength(20);
    expect(toBase32(fromBase32(secret))).toBe(secret);
    expect(otpauth_url).toContain(`secret=${secret}&issuer=ducat.test`);
    expect(otpauth_url).toContain(encodeURIComponent(person.email));
    expect(new Set(backup_codes).size).toBe(10);
    expect((await logIn(stage, person.email)).access_token).toBeDefined();
    const code = showNext(secret);
    expect((await activate(person, otherThan(code))).status).toBe(422);
    expect((await activate(person, backup_codes[0])).status).toBe(422);
    expect((await activate(person, code)).status).toBe(204);
    const first = await logIn(stage, person.email);
    expect(first).toEqual({ challenge: expect.any(String), expires_in: 600 });
    const begun = await answer(first.challenge, showNext(secret));
    expect(begun.status).toBe(200);
    const balance = await stage.call("/v1/credits/balance", { bearer: begun.body.access_token });
    expect(balance.status).toBe(200);
    const again = await askOwn(person, "totp", { password });
    expect([again.status, again.body.reason]).toEqual([409, "totp_active"]);
  });

  it("is for who has a session and knows the password", async () => {
    const person = await makeUser();
    for (const body of [{}, { password: `${password}!` }]) {
      const refused = await askOwn(person, "totp", body);
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/password"]);
    }
    expect((await activate(person, "123456")).body.reason).toBe("totp_not_offered");
    expect((await askOwn(person, "totp/disable", { code: "123456" })).body.reason).toBe(
      "totp_inactive",
    );
    for (const path of ["totp", "totp/activate", "totp/disable"]) {
      const body = path === "totp" ? {} : { code: "123456" };
      expect((await stage.call(`/v1/auth/${path}`, { body })).status).toBe(403);
      expect((await stage.call(`/v1/auth/${path}`, { body, bearer: null })).status).toBe(401);
    }
  });

  it("is for who has logged in lately, where there is no password", async () => {
    const phone = makePhone();
    const { access_token: bearer } = await logInByPhone(stage, phone);
    await stage.db.admin`
      UPDATE ducat.sessions SET created_at = created_at - interval '10 minutes 1 second'
      WHERE login_id = (SELECT id FROM ducat.logins WHERE phone = ${phone})`;
    const late = await askOwn({ bearer }, "totp", {});
    expect([late.status, late.body.reason]).toEqual([403, "reauthenticate"]);
    const again = await logInByPhone(stage, phone);
    expect((await askOwn({ bearer: again.access_token }, "totp", {})).status).toBe(201);
  });

  describe("beside the password, by who has to show again who they are", () => {
    async function makeLate() {
      const person = await makeGuarded();
      await stage.db.admin`
        UPDATE ducat.sessions SET created_at = created_at - interval '11 minutes'
        WHERE login_id = (SELECT id FROM ducat.logins WHERE email = ${person.email})`;
      return person;
    }
    const change = (bearer: string, body: object) =>
      askOwn({ bearer }, "email", { email: makeEmail(), ...body });
    const erase = (bearer: string, body: object) =>
      stage.call("/v1/me", { method: "DELETE", bearer, body });

    it.each([
      ["to change an address", change, 202],
      ["to erase the account", erase, 204],
    ])("is asked for %s", async (_, ask, done) => {
      const { bearer, secret, backups } = await makeLate();
      const tell = async (body: object) => {
        const { status, body: told } = await ask(bearer, body);
        return [status, told?.reason ?? told?.errors?.[0].pointer];
      };
      const code = showNext(secret);
      expect(await tell({ totp_code: code })).toEqual([403, "reauthenticate"]);
      expect(await tell({ password })).toEqual([422, "/totp_code"]);
      expect(await tell({ password, totp_code: otherThan(code) })).toEqual([422, "/totp_code"]);
      const wrong = { password: `${password}!`, totp_code: code };
      expect(await tell(wrong)).toEqual([422, "/password"]);
      // What was wrong beside it has not used it up.
      const shown = { password, totp_code: ask === erase ? backups[0] : code };
      expect(await tell(shown)).toEqual([done, undefined]);
    });

    it("is accepted once, also ten times at once", async () => {
      const { bearer, secret } = await makeLate();
      const shown = { password, totp_code: showNext(secret) };
      const answers = await Promise.all(Array.from({ length: 10 }, () => change(bearer, shown)));
      expect(answers.filter(({ status }) => status === 202)).toHaveLength(1);
    });
  });

  it("accepts a code once, one step before and after, and none older than the last", async () => {
    const { email, secret } = await makeGuarded();
    clock += 90_000;
    const code = show(secret);
    expect((await answer(await challenge(email), code)).status).toBe(200);
    expect((await answer(await challenge(email), code)).status, "again").toBe(401);
    expect((await answer(await challenge(email), show(secret, -1))).status, "older").toBe(401);
    expect((await answer(await challenge(email), show(secret, 2))).status, "too early").toBe(401);
    const next = await challenge(email);
    const persian = show(secret, 1).replace(/\d/g, (digit) =>
      String.fromCharCode(0x6f0 + Number(digit)),
    );
    expect((await answer(next, persian)).status).toBe(200);
    expect((await answer(next, show(secret, 1))).status, "of a passed challenge").toBe(401);
  });

  it("the same right code ten times at once begins one session", async () => {
    const { email, secret } = await makeGuarded();
    const challenges = await Promise.all(Array.from({ length: 10 }, () => challenge(email)));
    const code = showNext(secret);
    const answers = await Promise.all(challenges.map((one) => answer(one, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it("of 30 guesses at once five are judged, then the right one is refused too", async () => {
    const { email, secret } = await makeGuarded();
    const one = await challenge(email);
    const code = showNext(secret);
    const guesses = Array.from({ length: 30 }, (_, n) => answer(one, otherThan(code, n + 1)));
    const answers = await Promise.all(guesses);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    expect(await readTries(email)).toBe(5);
    const right = await answer(one, code);
    const none = await answer(`dc_${"x".repeat(43)}`, code);
    const form = await answer("no challenge", code);
    for (const refused of [right, none, form]) expect(seen(refused)).toEqual(seen(right));
    // It was never judged, so that it is still good for another challenge.
    expect((await answer(await challenge(email), code)).status).toBe(200);
  });

  it("takes 20 guesses in an hour, however many challenges are opened", async () => {
    const { email, secret } = await makeGuarded(); // that took two
    const statuses: number[] = [];
    for (let n = 0; n < 4; n++) {
      const one = await challenge(email);
      const code = otherThan(showNext(secret));
      for (let m = 0; m < 5; m++) statuses.push((await answer(one, code)).status);
    }
    expect(statuses.filter((status) => status === 401)).toHaveLength(18);
    expect(statuses.slice(18)).toEqual([429, 429]);
  });

  it("has backup codes that work once each, however they are typed", async () => {
    const { email, backups } = await makeGuarded();
    const [first = "", second = ""] = backups;
    expect(first).toMatch(/^[a-z2-9]{5}-[a-z2-9]{5}$/);
    expect((await answer(await challenge(email), first)).status).toBe(200);
    expect((await answer(await challenge(email), first)).status).toBe(401);
    const typed = ` ${second.toUpperCase().replace("-", " ")}`;
    expect((await answer(await challenge(email), typed)).status).toBe(200);
    const stranger = await makeGuarded();
    expect((await answer(await challenge(email), stranger.backups[0] ?? "")).status).toBe(401);
  });

  it("is switched off by a code", async () => {
    const person = await makeGuarded();
    const code = showNext(person.secret);
    expect((await askOwn(person, "totp/disable", { code: otherThan(code) })).status).toBe(422);
    expect((await askOwn(person, "totp/disable", { code })).status).toBe(204);
    expect((await logIn(stage, person.email)).access_token).toBeDefined();
    const audited = await stage.db.admin`
      SELECT action FROM ducat.audit_logs WHERE action LIKE 'login.%totp'
      AND resource_id = (SELECT id::text FROM ducat.logins WHERE email = ${person.email})
      ORDER BY id`;
    expect(audited.map(({ action }) => action)).toEqual([
      "login.activate_totp",
      "login.disable_totp",
    ]);
  });
});

it("who logs in by a code of a telephone is asked as well, and a new password changes nothing", async () => {
  const phone = makePhone();
  const { access_token: bearer } = await logInByPhone(stage, phone);
  const { secret } = (await askOwn({ bearer }, "totp", {})).body;
  await activate({ bearer }, showNext(secret));
  const asked = await logInByPhone(stage, phone);
  expect(asked).toEqual({ challenge: expect.any(String), expires_in: 600 });
  await send(stage, phone, "password_reset");
  const code = await readCode(stage, phone);
  await verify(stage, { phone, purpose: "password_reset", code, password });
  // It began before the password was changed.
  expect((await answer(asked.challenge, showNext(secret))).status).toBe(401);
  const { challenge: one } = (await askAuth(stage, "login", { phone, password })).body;
  expect((await answer(one, showNext(secret))).status).toBe(200);
});

it("is asked for on the account that was chosen, and not again by going on to the other", async () => {
  const { email, secret, bearer } = await makeGuarded();
  const business = { kind: "vendor", business_name: "Ada's Gardens" };
  const made = await stage.call("/v1/auth/accounts", { bearer, body: business });
  const first = { email, password, kind: "vendor" };
  const { challenge: one } = (await askAuth(stage, "login", first)).body;
  const begun = await answer(one, showNext(secret));
  expect(begun.body.account_id).toBe(made.body.id);
  const gone = await stage.call("/v1/auth/sessions", {
    ...{ bearer: begun.body.access_token, body: { kind: "user" } },
  });
  expect([gone.status, gone.body.account_id === made.body.id]).toEqual([201, false]);
});

it("a secret that an older key locked is locked anew when a code of it is right", async () => {
  const { email, secret } = await makeGuarded();
  const { codes } = stage.deps.logins;
  const [old, fresh] = ["s".repeat(32), "t".repeat(32)];
  const read = async (): Promise<Buffer> => {
    const [row] = await stage.db.admin`
      SELECT secret FROM ducat.login_totps
      WHERE login_id = (SELECT id FROM ducat.logins WHERE email = ${email})`;
    return row?.secret;
  };
  onTestFinished(() => {
    stage.deps.logins.codes = codes;
  });
  const before = await read();
  stage.deps.logins.codes = createCodeSecrets([fresh, old]);
  expect((await answer(await challenge(email), otherThan(showNext(secret)))).status).toBe(401);
  expect(await read()).toEqual(before);
  // Ten at once, one of which is accepted: what is kept stays whole.
  const challenges = await Promise.all(Array.from({ length: 10 }, () => challenge(email)));
  const code = showNext(secret);
  const answers = await Promise.all(challenges.map((one) => answer(one, code)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  const anew = await read();
  expect(anew).not.toEqual(before);
  stage.deps.logins.codes = createCodeSecrets([fresh]);
  expect((await answer(await challenge(email), showNext(secret))).status).toBe(200);
  expect(await read()).toEqual(anew);
});

it("who is shut out is not asked, but refused", async () => {
  const { email, secret } = await makeGuarded();
  const one = await challenge(email);
  await stage.db.admin`
    UPDATE ducat.logins SET banned_at = clock_timestamp() WHERE email = ${email}`;
  expect((await answer(one, showNext(secret))).status).toBe(401);
  expect(await logIn(stage, email)).toMatchObject({ code: "unauthenticated" });
});

it("one that was lost is taken away by an admin: sessions end, and the password is enough", async () => {
  const { email, bearer, secret } = await makeGuarded();
  const [login] = await stage.db.admin`SELECT id FROM ducat.logins WHERE email = ${email}`;
  const open = await challenge(email);
  const remove = () => stage.call(`/v1/admin/logins/${login?.id}/totp`, { method: "DELETE" });
  expect((await remove()).status).toBe(204);
  expect((await answer(open, showNext(secret))).status).toBe(401);
  expect((await stage.call("/v1/me", { bearer })).status).toBe(401);
  const again = await logIn(stage, email);
  expect(again).toMatchObject({ access_token: expect.any(String) });
  expect((await remove()).status).toBe(204);
  expect((await stage.call("/v1/me", { bearer: again.access_token })).status).toBe(200);
  const lines = await stage.db.admin`
    SELECT actor FROM ducat.audit_logs
    WHERE action = 'login.remove_totp' AND resource_id = ${login?.id}`;
  expect(lines).toEqual([{ actor: "root" }]);
  const nobody = `/v1/admin/logins/${randomUUID()}/totp`;
  expect((await stage.call(nobody, { method: "DELETE" })).status).toBe(404);
});

it("no secret, backup code or challenge is to be found in a dump or in what was logged", async () => {
  const { email, secret, backups } = await makeGuarded();
  const one = await challenge(email);
  const secrets = [secret, fromBase32(secret).toString("hex"), one, ...backups];
  for (const backup of backups) secrets.push(backup.replace("-", ""));
  const tables = await stage.db.admin<{ name: string }[]>`
    SELECT relname AS name FROM pg_class
    WHERE relnamespace = 'ducat'::regnamespace AND relkind IN ('r', 'p')`;
  expect(tables.length).toBeGreaterThan(20);
  for (const { name } of tables) {
    const [row] = await stage.db.admin`
      SELECT string_agg(t::text, ' ') AS dump FROM ${stage.db.admin(`ducat.${name}`)} AS t`;
    for (const text of secrets) expect(String(row?.dump).includes(text), name).toBe(false);
  }
  const logged = stage.lines.join("");
  for (const text of secrets) expect(logged.includes(text)).toBe(false);
});
