import { connectLoginStore } from "@ducat/db/logins";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  askAuth,
  logIn,
  makeEmail,
  makePerson,
  password,
  readMails,
  readToken,
} from "../../test/person.ts";
import { type Stage, setStage } from "../../test/stage.ts";
import { createIdentity } from "../logins/identity.ts";
import { beginSession } from "../logins/sessions.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const ask = (path: string, body: unknown) => askAuth(stage, path, body);
const readBalance = async (bearer: string) =>
  (await stage.call("/v1/credits/balance", { bearer })).body;
const other = "another horse, the same staple";

describe("signing up", () => {
  it("mails a link; whoever follows it is verified and has their trial", async () => {
    const email = makeEmail();
    const made = await ask("register", { email: email.toUpperCase(), password, locale: "fa" });
    expect(made.status).toBe(202);
    const tokens = await logIn(stage, email);
    expect(tokens).toMatchObject({ is_verified: false });
    expect((await readBalance(tokens.access_token)).available).toBe(0);
    const [account] = await stage.db.admin`
      SELECT email, locale FROM ducat.accounts WHERE id = ${tokens.account_id}`;
    expect(account).toEqual({ email: null, locale: "fa" });
    const token = await readToken(stage, email);
    expect((await ask("verify-email", { token })).status).toBe(204);
    expect((await readBalance(tokens.access_token)).trial_credits).toBe(3);
    const again = await ask("verify-email", { token });
    expect([again.status, again.body.reason]).toEqual([409, "link_ended"]);
    expect((await logIn(stage, email)).is_verified).toBe(true);
    const [proven] = await stage.db.admin`
      SELECT email FROM ducat.accounts WHERE id = ${tokens.account_id}`;
    expect(proven?.email).toBe(email);
  });

  it("lets who is not verified read and not spend, in every process at once after", async () => {
    const email = makeEmail();
    await ask("register", { email, password });
    const { access_token: bearer } = await logIn(stage, email);
    const spend = () =>
      stage.call("/v1/credits/consume", {
        bearer,
        key: email,
        body: { amount: 1, description: "x" },
      });
    expect((await spend()).body.code).toBe("not_verified");
    await ask("verify-email", { token: await readToken(stage, email) });
    expect((await spend()).status).toBe(201);
  });

  it("with an address that is taken answers the same, and tells its owner alone", async () => {
    const { email } = await makePerson(stage);
    const fresh = await ask("register", { email: makeEmail(), password });
    const taken = await ask("register", { email, password: other });
    expect([taken.status, taken.text]).toEqual([fresh.status, fresh.text]);
    expect([...taken.headers.keys()]).toEqual([...fresh.headers.keys()]);
    const [mail] = await readMails(stage, email);
    expect(mail).toEqual({ kind: "login_exists", data: {} });
    expect((await ask("login", { email, password: other })).status).toBe(401);
    expect((await ask("login", { email, password })).status).toBe(200);
  });

  it("by somebody else before gives them nothing: each link brings its own password", async () => {
    const email = makeEmail();
    await ask("register", { email, password: other });
    const squatter = (await ask("login", { email, password: other })).body.access_token;
    await ask("register", { email, password });
    expect((await ask("login", { email, password })).status).toBe(401);
    await ask("verify-email", { token: await readToken(stage, email) });
    expect((await ask("login", { email, password: other })).status).toBe(401);
    expect((await stage.call("/v1/credits/balance", { bearer: squatter })).status).toBe(401);
    expect((await logIn(stage, email)).is_verified).toBe(true);
  });

  it("ten times at once makes one login with one account", async () => {
    const email = makeEmail();
    // Not through the route, which would stop most of them; with others, so that all connections
    // are open and two can find at once that nobody has the address.
    const { identity } = stage.deps.logins;
    for (const address of [makeEmail(), makeEmail(), makeEmail(), email]) {
      const made = await Promise.all(
        Array.from({ length: 10 }, () => identity.signUp(address, password)),
      );
      expect(new Set(made.map(({ loginId }) => loginId)).size).toBe(1);
      expect(made.filter(({ isNew }) => isNew)).toHaveLength(1);
    }
    // It broke off before there was an account: logging in finishes it.
    const first = await Promise.all(Array.from({ length: 4 }, () => logIn(stage, email)));
    expect(new Set(first.map(({ account_id }) => account_id)).size).toBe(1);
  });

  it("gives one trial per mailbox, however it is spelled, even after the account is gone", async () => {
    const name = makeEmail().split("@")[0];
    const trials: number[] = [];
    for (const email of [`${name}@home.example`, `${name}+two@home.example`]) {
      await ask("register", { email, password });
      await ask("verify-email", { token: await readToken(stage, email) });
      trials.push((await readBalance((await logIn(stage, email)).access_token)).trial_credits);
    }
    expect(trials).toEqual([3, 0]);
    const kept = await stage.db.admin`SELECT t::text AS row FROM ducat.trial_identities t`;
    expect(JSON.stringify(kept)).not.toContain(name);
  });

  it("is finished by the next log-in when it broke off before the trial", async () => {
    const { email, loginId } = await makePerson(stage);
    const fresh = makeEmail();
    await ask("register", { email: fresh, password });
    await stage.db.admin`
      UPDATE ducat.logins SET email_verified = true, verified_at = now() WHERE email = ${fresh}`;
    expect((await readBalance((await logIn(stage, fresh)).access_token)).trial_credits).toBe(3);
    expect((await readBalance((await logIn(stage, fresh)).access_token)).trial_credits).toBe(3);
    expect([email, loginId]).not.toContain(undefined);
  });

  it("doesn't take an address that a server gave to an account before", async () => {
    const email = makeEmail();
    await stage.call("/v1/accounts", { body: { external_id: email, email } });
    await ask("register", { email, password });
    await ask("verify-email", { token: await readToken(stage, email) });
    const tokens = await logIn(stage, email);
    expect(tokens.is_verified).toBe(true);
    const [account] = await stage.db.admin`
      SELECT email FROM ducat.accounts WHERE id = ${tokens.account_id}`;
    expect(account?.email).toBeNull();
  });
});

describe("a link", () => {
  it("works once, for one of twenty at once", async () => {
    const email = makeEmail();
    await ask("register", { email, password });
    const token = await readToken(stage, email);
    const all = await Promise.all(Array.from({ length: 20 }, () => ask("verify-email", { token })));
    expect(all.map(({ status }) => status).sort()).toEqual([204, ...Array(19).fill(409)]);
  });

  it("ends with its time, and with the proof that another one gave", async () => {
    const email = makeEmail();
    await ask("register", { email, password });
    const first = await readToken(stage, email);
    await ask("resend-verification", { email });
    const second = await readToken(stage, email);
    expect(second).not.toBe(first);
    await stage.db.admin`
      UPDATE ducat.verifications SET expires_at = now() - interval '1 s'
      WHERE value = (SELECT id::text FROM ducat.logins WHERE email = ${email})
        AND created_at = (SELECT max(created_at) FROM ducat.verifications)`;
    expect((await ask("verify-email", { token: second })).status).toBe(409);
    expect((await ask("verify-email", { token: first })).status).toBe(204);
    await ask("resend-verification", { email });
    expect(
      (await readMails(stage, email)).filter((one) => one.kind === "verify_email"),
    ).toHaveLength(2);
  });

  it("for one purpose is none for another, and guesses are refused alike", async () => {
    const { email } = await makePerson(stage);
    await ask("forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    const answers = await Promise.all([
      ask("verify-email", { token }),
      ask("verify-email", { token: "x" }),
      ask("reset-password", { token: `${token}x`, password: other }),
      ask("reset-password", { token: "x".repeat(43), password: other }),
    ]);
    const said = answers.map(({ status, body: { request_id, ...body } }) =>
      JSON.stringify([status, body]),
    );
    expect(new Set(said).size).toBe(1);
    expect((await ask("reset-password", { token, password: other })).status).toBe(204);
  });

  it("is in no row in clear", async () => {
    const email = makeEmail();
    await ask("register", { email, password });
    await ask("verify-email", { token: await readToken(stage, email) });
    await ask("forgot-password", { email });
    const reset = await readToken(stage, email, "reset_password");
    const { access_token, refresh_token } = await logIn(stage, email);
    const [dump] = await stage.db.admin`
      SELECT (SELECT string_agg(t::text, ' ') FROM ducat.verifications t)
        || (SELECT string_agg(t::text, ' ') FROM ducat.messages t)
        || (SELECT string_agg(t::text, ' ') FROM ducat.sessions t)
        || (SELECT string_agg(t::text, ' ') FROM ducat.session_tokens t)
        || (SELECT string_agg(t::text, ' ') FROM ducat.login_credentials t) AS text`;
    for (const secret of [reset, access_token, refresh_token, password]) {
      expect(dump?.text).not.toContain(secret);
      expect(stage.lines.join()).not.toContain(secret);
    }
    expect(dump?.text).toContain("$argon2id$");
    expect(stage.lines.join()).not.toContain(email);
  });
});

describe("a forgotten password", () => {
  it("is replaced by a mailed link, which ends every session and every other link", async () => {
    const { email } = await makePerson(stage);
    const { access_token: bearer, refresh_token } = await logIn(stage, email);
    expect((await stage.call("/v1/credits/balance", { bearer })).status).toBe(200);
    await ask("forgot-password", { email });
    const first = await readToken(stage, email, "reset_password");
    await ask("forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    expect((await ask("reset-password", { token, password: "short" })).status).toBe(422);
    expect((await ask("reset-password", { token, password: other })).status).toBe(204);
    expect((await stage.call("/v1/credits/balance", { bearer })).status).toBe(401);
    expect((await ask("refresh", { refresh_token })).status).toBe(401);
    expect((await ask("reset-password", { token: first, password })).status).toBe(409);
    expect((await ask("login", { email, password })).status).toBe(401);
    expect((await ask("login", { email, password: other })).status).toBe(200);
    expect((await readMails(stage, email))[0]?.kind).toBe("password_changed");
  });

  it("of an address that nobody has is answered the same", async () => {
    const { email } = await makePerson(stage);
    for (const path of ["forgot-password", "resend-verification"]) {
      const known = await ask(path, { email });
      const unknown = await ask(path, { email: makeEmail() });
      expect([unknown.status, unknown.text]).toEqual([known.status, known.text]);
      expect(unknown.status).toBe(202);
    }
  });

  it("proves the address as well", async () => {
    const email = makeEmail();
    await ask("register", { email, password: other });
    await ask("forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    await ask("reset-password", { token, password });
    const tokens = await logIn(stage, email);
    expect(tokens.is_verified).toBe(true);
    expect((await readBalance(tokens.access_token)).trial_credits).toBe(3);
  });
});

describe("logging in", () => {
  it("is refused alike, whatever is wrong", async () => {
    const { email } = await makePerson(stage);
    const { email: banned, loginId } = await makePerson(stage);
    await stage.db.app`SELECT ducat.ban_login(${loginId}, true, '{}')`;
    const answers = await Promise.all([
      ask("login", { email, password: other }),
      ask("login", { email: makeEmail(), password }),
      ask("login", { email: banned, password }),
      ask("login", { email: banned, password: other }),
    ]);
    const said = answers.map(({ status, headers, body: { request_id, ...body } }) =>
      JSON.stringify([status, headers.get("www-authenticate"), body]),
    );
    expect(new Set(said).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
  });

  it("makes as much of a hash for an address that nobody has", async () => {
    const store = connectLoginStore({ url: stage.db.url, max: 1 });
    const done: string[] = [];
    const hasher = {
      hash: async () => `${done.push("hash")}`,
      verify: async () => done.push("verify") < 0,
    };
    const options = {
      store,
      hasher,
      secret: "x".repeat(32),
      publicUrl: "http://x",
      resetSeconds: 1,
    };
    const identity = createIdentity(options);
    const { email } = await makePerson(stage);
    await identity.checkPassword(email, other);
    await identity.checkPassword(makeEmail(), other);
    expect(done).toEqual(["verify", "hash"]);
    await identity.signUp(email, other);
    expect(done).toHaveLength(3);
    await store.close();
  });

  it("reads one password however it was typed", async () => {
    const email = makeEmail();
    await ask("register", { email, password: "une clé élégante" });
    const decomposed = "une clé élégante".normalize("NFD");
    expect((await ask("login", { email, password: decomposed })).status).toBe(200);
  });

  it("is over when the password was changed between its check and its session", async () => {
    const { email, loginId } = await makePerson(stage);
    const { identity } = stage.deps.logins;
    const proven = await identity.checkPassword(email, password);
    await ask("forgot-password", { email });
    const token = await readToken(stage, email, "reset_password");
    await ask("reset-password", { token, password: other });
    const [row] = await stage.db.admin`
      SELECT account_id FROM ducat.account_logins WHERE login_id = ${loginId}`;
    const begun = beginSession(stage.deps.logins, {
      ...{ loginId, accountId: row?.account_id, passwordHash: proven?.passwordHash },
    });
    await expect(begun).rejects.toMatchObject({ code: "unauthenticated" });
  });
});

describe("better-auth", () => {
  it("has no path of its own", async () => {
    for (const path of ["sign-in/email", "sign-up/email", "get-session", "ok", "reference"]) {
      for (const base of ["/v1/auth", "/api/auth", "/auth"]) {
        for (const method of ["GET", "POST"]) {
          const how = { method, bearer: null, ...(method === "POST" && { body: {} }) };
          expect((await stage.call(`${base}/${path}`, how)).status).toBe(404);
        }
      }
    }
  });

  it("speaks in our log, of nobody, and not on the screen", async () => {
    const screen = (["log", "warn", "error"] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => {}),
    );
    onTestFinished(() => {
      for (const one of screen) one.mockRestore();
    });
    const { email } = await makePerson(stage);
    const from = stage.lines.length;
    await ask("register", { email, password });
    await ask("login", { email: makeEmail(), password });
    await ask("login", { email, password: other });
    await ask("reset-password", { token: "x".repeat(24), password });
    const lines = stage.lines.slice(from).join("");
    expect(lines.match(/"source":"better-auth"/g)?.length).toBeGreaterThan(2);
    expect(lines).not.toContain("@");
    expect(lines).not.toContain(email.split("@")[0]);
    expect(screen.flatMap((one) => one.mock.calls)).toEqual([]);
  });

  it("keeps no session of its own, and its rows have our ids", async () => {
    const { email, loginId } = await makePerson(stage);
    await logIn(stage, email);
    expect(loginId[14]).toBe("7");
    const [row] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.sessions WHERE login_id = ${loginId}`;
    expect(row?.n).toBe(1);
  });

  it("can do nothing else in the database, and the API's own role nothing of this", async () => {
    const store = connectLoginStore({ url: stage.db.url, max: 1 });
    for (const table of ["accounts", "credit_accounts", "sessions", "session_tokens", "api_keys"]) {
      const read = store.db.execute(`SELECT FROM ducat.${table}`);
      await expect(read).rejects.toMatchObject({ cause: { code: "42501" } });
    }
    await store.close();
    for (const table of ["logins", "login_credentials", "verifications", "sessions"]) {
      const read = stage.db.app`SELECT FROM ${stage.db.app(`ducat.${table}`)}`;
      await expect(read).rejects.toMatchObject({ code: "42501" });
    }
  });
});
