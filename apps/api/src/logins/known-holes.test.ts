import { randomUUID } from "node:crypto";
import { connectLoginStore } from "@ducat/db/logins";
import { takeLimits } from "@ducat/db/rate-limits";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAuth, logIn, makeEmail, makePerson, password, readToken } from "../../test/person.ts";
import { ask, type Stage, setStage } from "../../test/stage.ts";
import { logInByPhone, makePhone, readCode, send, verify } from "../../test/telephone.ts";
import { createAccountTokens } from "../account-token.ts";
import { createApp } from "../app.ts";
import { createLoginDeps } from "./deps.ts";
import { codeOf } from "./totp.ts";

/*
 * What is known to go wrong with libraries for logins, and doesn't here. docs/accounts.md says
 * where the others of its kind are tried.
 */

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const fromBase32 = (text: string) => {
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"));
  return Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
};
const codeAt = (secret: string, ms: number) => codeOf(fromBase32(secret), Math.floor(ms / 30_000));

/** Somebody with everything that opens something, and all of it used or waiting. */
async function makeHolder() {
  const { email } = await makePerson(stage);
  const tokens = await logIn(stage, email);
  await askAuth(stage, "refresh", { refresh_token: tokens.refresh_token });
  await askAuth(stage, "forgot-password", { email });
  await askAuth(stage, "register", { email: makeEmail(), password });
  const phone = makePhone();
  await logInByPhone(stage, phone);
  await send(stage, phone);
  const bearer = tokens.access_token;
  const { secret } = (await stage.call("/v1/auth/totp", { bearer, body: { password } })).body;
  const code = codeAt(secret, Date.now());
  await stage.call("/v1/auth/totp/activate", { bearer, body: { code } });
  await logIn(stage, email);
  const account = tokens.account_id;
  await stage.call("/v1/api-keys", { account, body: { name: "k", scopes: ["profile"] } });
}

describe("what a dump of the database holds", () => {
  const tables = [
    ...["sessions", "session_tokens", "api_keys", "verifications", "login_codes", "logins"],
    ...["login_credentials", "login_totps", "totp_backup_codes", "totp_challenges", "messages"],
    "trial_identities",
  ];
  const prefixes = ["", "ds_", "dk_test_"];

  it("opens nothing, in whatever form it is sent and wherever", async () => {
    await makeHolder();
    const values = new Set<string>();
    for (const table of tables) {
      const rows = await stage.db.admin`SELECT * FROM ${stage.db.admin(`ducat.${table}`)}`;
      expect([table, rows.length > 0]).toEqual([table, true]);
      for (const value of rows.flatMap((row) => Object.values(row))) {
        if (Buffer.isBuffer(value)) {
          for (const form of ["hex", "base64", "base64url"] as const) {
            values.add(value.toString(form));
          }
        } else if (typeof value === "string" && /^[!-~]{8,500}$/.test(value)) values.add(value);
      }
    }
    expect(values.size).toBeGreaterThan(60);
    const opened: string[] = [];
    const note = (how: string, { status }: { status: number }, refused: number[]) => {
      if (!refused.includes(status)) opened.push(`${how}: ${status}`);
    };
    for (const value of values) {
      for (const prefix of prefixes) {
        const token = `${prefix}${value}`;
        note(`bearer ${token}`, await stage.call("/v1/me", { bearer: token }), [401]);
      }
      if (value.length > 190) continue;
      for (const token of [value, `dr_${value}`]) {
        const body = { refresh_token: token };
        note(`refresh ${token}`, await askAuth(stage, "refresh", body), [401]);
      }
      const answer = { challenge: `dc_${value}`, code: "000000" };
      note(`challenge ${value}`, await askAuth(stage, "totp/verify", answer), [401, 422]);
      note(`link ${value}`, await askAuth(stage, "verify-email", { token: value }), [409]);
      const reset = { token: value, password };
      note(`reset ${value}`, await askAuth(stage, "reset-password", reset), [409]);
    }
    expect(opened).toEqual([]);
  }, 60_000);
});

describe("a key that lacks the scope", () => {
  it("is refused as that and not as unknown, and nobody's log has an error of it", async () => {
    const body = { name: "weak", scopes: ["styles"] };
    const { key: bearer } = (await stage.call("/v1/api-keys", { body })).body;
    const from = stage.lines.length;
    const account = await stage.makeAccount();
    const refused = await stage.call("/v1/credits/balance", { bearer, account });
    expect([refused.status, refused.body.code]).toEqual([403, "forbidden"]);
    const lines = stage.lines.slice(from);
    expect(lines.some((line) => line.includes('"status":403'))).toBe(true);
    expect(lines.filter((line) => /"level":(50|60)|stack/.test(line))).toEqual([]);
  });
});

describe("limits", () => {
  it("end when they said at their first use, however often they are used meanwhile", async () => {
    const limit = { key: `steady:${randomUUID()}`, limit: 5, windowSeconds: 60 };
    const endOf = async () => {
      const [row] = await stage.db.admin`
        SELECT resets_at FROM ducat.rate_limits WHERE key = ${limit.key}`;
      return row?.resets_at.getTime();
    };
    await takeLimits(stage.db.app, [limit]);
    const first = await endOf();
    for (let n = 0; n < 8; n++) await takeLimits(stage.db.app, [limit]);
    expect(await endOf()).toBe(first);
  });

  it("are nobody else's for people whose address isn't known: no bucket for all", async () => {
    const body = () => ({ email: makeEmail(), password });
    const guesses = Array.from({ length: 120 }, () => askAuth(stage, "login", body()));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401]));
  });
});

describe("an answer to who logs in", () => {
  it("has no cookie, and its tokens say a session and nothing of who it is", async () => {
    const { email, loginId } = await makePerson(stage);
    const begun = await askAuth(stage, "login", { email, password });
    const names = [...begun.headers.keys()];
    expect(names.filter((name) => /cookie|^set-|jwt/.test(name))).toEqual([]);
    const { access_token, refresh_token, account_id } = begun.body;
    const [row] = await stage.db.admin`
      SELECT id FROM ducat.sessions WHERE login_id = ${loginId}`;
    for (const token of [access_token, refresh_token]) {
      const body = Buffer.from(token.slice(3, 30), "base64url");
      expect(body.toString("hex")).toBe(`${row?.id.replaceAll("-", "")}00000001`);
      for (const known of [email, loginId, account_id]) expect(token).not.toContain(known);
    }
    for (const path of ["jwks", "token", ".well-known/jwks.json"]) {
      const answer = await stage.call(`/v1/auth/${path}`, { bearer: null });
      expect(answer.status).toBe(404);
    }
  });

  it("is alike for a cookie: none is ever read", async () => {
    const { email } = await makePerson(stage);
    const { access_token } = await logIn(stage, email);
    for (const name of ["better-auth.session_token", "session", "token", "access_token"]) {
      const headers = { cookie: `${name}=${access_token}` };
      const answer = await stage.call("/v1/me", { bearer: null, headers });
      expect(answer.status).toBe(401);
    }
  });
});

describe("a new first secret", () => {
  it("ends nothing that was made with the one before, and the old one dropped ends it all", async () => {
    const [old, fresh] = ["s".repeat(32), "t".repeat(32)];
    const { email } = await makePerson(stage);
    const begun = await logIn(stage, email);
    await askAuth(stage, "forgot-password", { email });
    const reset = await readToken(stage, email, "reset_password");
    const unproven = makeEmail();
    await askAuth(stage, "register", { email: unproven, password });
    const link = await readToken(stage, unproven);
    const phone = makePhone();
    await send(stage, phone);
    const code = await readCode(stage, phone);
    const account = begun.account_id;
    const made = await stage.call("/v1/api-keys", {
      account,
      body: { name: "k", scopes: ["profile"] },
    });
    const token = (await stage.call(`/v1/accounts/${account}/tokens`, { body: {} })).body.token;

    const store = connectLoginStore({ url: stage.db.url, max: 1 });
    const stageWith = (secretKeys: string[]): Stage => {
      const { db, cache } = stage.deps;
      const base = { db, cache, store, secretKeys, mode: "test", publicUrl: "http://x" } as const;
      const cheap = { hashCost: { memoryKib: 8, passes: 1 }, floorMs: 0 };
      const logins = createLoginDeps({ ...base, ...cheap });
      const tokens = { secrets: secretKeys, mode: "test", now: Date.now } as const;
      const accountTokens = createAccountTokens(tokens);
      const app = createApp({ ...stage.deps, accountTokens, logins });
      return { ...stage, app, call: (path, how = {}) => ask(app, path, how) };
    };
    const dropped = stageWith([fresh]);
    const read = (at: Stage, bearer: string) => at.call("/v1/me", { bearer });
    for (const bearer of [begun.access_token, token]) {
      expect((await read(dropped, bearer)).status).toBe(401);
    }
    const { refresh_token } = begun;
    expect((await askAuth(dropped, "refresh", { refresh_token })).status).toBe(401);
    expect((await verify(dropped, { phone, purpose: "login", code })).status).toBe(401);

    const rotated = stageWith([fresh, old]);
    for (const bearer of [begun.access_token, token, made.body.key]) {
      expect((await read(rotated, bearer)).status).toBe(200);
    }
    const next = await askAuth(rotated, "refresh", { refresh_token });
    expect((await read(rotated, next.body.access_token)).status).toBe(200);
    expect((await verify(rotated, { phone, purpose: "login", code })).status).toBe(200);
    expect((await askAuth(rotated, "verify-email", { token: link })).status).toBe(204);
    const changed = { token: reset, password: `${password} anew` };
    expect((await askAuth(rotated, "reset-password", changed)).status).toBe(204);
    expect((await askAuth(rotated, "login", { email, password: changed.password })).status).toBe(
      200,
    );
    // Whoever had the trial by the old secret's trace has none by the new one's.
    const again = `${email.split("@")[0]}+2@home.example`;
    await askAuth(rotated, "register", { email: again, password });
    await stage.db.admin`
      UPDATE ducat.logins SET email_verified = true, verified_at = now() WHERE email = ${again}`;
    const { access_token } = await logIn(rotated, again);
    const balance = await rotated.call("/v1/credits/balance", { bearer: access_token });
    expect(balance.body.available).toBe(0);
    await store.close();
  });
});
