import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { findSecrets } from "../test/find-secrets.ts";
import { askAuth, makeEmail, readToken } from "../test/person.ts";
import { order, rootKey, type Stage, setStage } from "../test/stage.ts";
import { makePhone, readCode, send, verify } from "../test/telephone.ts";

/** What people and servers hold, by what it is; each is used, and some of it wrongly. */
const secrets: Record<string, string> = { "root key": rootKey, "secret key": "s".repeat(32) };
/** In the same places, and no secret: that it is found shows that the others would be. */
const word = `open-${randomUUID()}`;

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const makePassword = (what: string) => {
  const password = `pass ${what} ${randomUUID()}`;
  secrets[`password ${what}`] = password;
  return password;
};

function keep(what: string, tokens: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(tokens)) {
    if (typeof value === "string" && /token$|^key$|challenge|secret/.test(name)) {
      secrets[`${name} ${what}`] = value;
    }
  }
}

async function useMail() {
  const email = makeEmail();
  const [first, second] = [makePassword("of the sign-up"), makePassword("after a reset")];
  await askAuth(stage, "register", { email, password: first });
  keep("to verify", { token: await readToken(stage, email) });
  await askAuth(stage, "verify-email", { token: secrets["token to verify"] });
  const begun = (await askAuth(stage, "login", { email, password: first })).body;
  keep("of the login", begun);
  const next = await askAuth(stage, "refresh", { refresh_token: begun.refresh_token });
  keep("of the refresh", next.body);
  await askAuth(stage, "login", { email, password: makePassword("that is wrong") });
  await askAuth(stage, "forgot-password", { email });
  keep("to reset", { token: await readToken(stage, email, "reset_password") });
  await askAuth(stage, "reset-password", { token: secrets["token to reset"], password: second });
  const again = (await askAuth(stage, "login", { email, password: second })).body;
  keep("after the reset", again);
  return {
    bearer: String(again.access_token),
    account: String(again.account_id),
    password: second,
  };
}

async function useTelephone() {
  const phone = makePhone();
  await send(stage, phone);
  secrets["code that is used"] = await readCode(stage, phone);
  const code = secrets["code that is used"];
  keep("by telephone", (await verify(stage, { phone, purpose: "login", code })).body);
  await send(stage, phone);
  secrets["code that waits"] = await readCode(stage, phone);
}

async function useSecondFactor({ bearer, password }: { bearer: string; password: string }) {
  const { body } = await stage.call("/v1/auth/totp", { bearer, body: { password } });
  keep("of the authenticator", body);
  for (const [index, code] of body.backup_codes.entries()) secrets[`backup code ${index}`] = code;
}

async function useKeys(account: string) {
  const body = { name: word, scopes: ["credits", "generations"] };
  const made = (await stage.call("/v1/api-keys", { body, account })).body;
  const rotated = await stage.call(`/v1/api-keys/${made.id}/rotate`, { body: {}, account });
  keep("of a server", made);
  keep("that was rotated", rotated.body);
  const token = (await stage.call(`/v1/accounts/${account}/tokens`, { body: {} })).body;
  keep("of a browser", token);
  for (const bearer of [made.key, rotated.body.key, token.token]) {
    const asked = { bearer, key: randomUUID(), body: order({ reference: word }) };
    expect((await stage.call("/v1/generations", asked)).status).toBe(201);
  }
}

/** Secrets where they don't belong, and credentials in an address too. */
async function misplace() {
  const headers = { "content-type": "application/json" };
  for (const secret of Object.values(secrets)) {
    const text = encodeURIComponent(secret);
    const [bearer = ""] = secret.split(" ");
    await stage.call(`/v1/credits/balance?access_token=${text}`, { bearer });
    await stage.call("/v1/accounts", { body: { [secret]: secret } });
    await stage.call("/v1/accounts", { raw: `{"password":"${secret}`, headers });
    await askAuth(stage, "login", { email: secret, password: secret });
    if (!/^d[a-z]+_/.test(secret)) continue;
    for (const path of [`/v1/api-keys/${text}`, `/v1/${text}`, `/pay/${text}`]) {
      await stage.call(path, { method: "DELETE" });
    }
  }
}

describe("secrets", () => {
  it("are in clear in no table, job, message and log line", async () => {
    const person = await useMail();
    await useTelephone();
    await useSecondFactor(person);
    await useKeys(person.account);
    await misplace();
    await stage.deps.enqueue.drain();
    expect(Object.keys(secrets).length).toBeGreaterThan(30);
    expect(await findSecrets(stage, secrets)).toEqual([]);
    const found = await findSecrets(stage, { word });
    expect(found).toEqual(["word in ducat.api_keys", "word in ducat.generations"]);
  });

  it("are not told by what fails either, in an answer or on the screen", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => printed.mockRestore());
    const email = makeEmail();
    const password = makePassword("while something fails");
    await askAuth(stage, "register", { email, password });
    const failing = ["login_credentials", "verifications", "rate_limits", "api_keys", "sessions"];
    for (const table of failing) {
      await stage.db.admin.unsafe(`ALTER TABLE ducat.${table} RENAME TO ${table}_away`);
      const answers = [
        await askAuth(stage, "login", { email, password }),
        await askAuth(stage, "register", { email: makeEmail(), password }),
        await askAuth(stage, "reset-password", { token: secrets["token to reset"], password }),
        await stage.call("/v1/api-keys", { body: { name: "x", scopes: ["credits"] } }),
      ];
      await stage.db.admin.unsafe(`ALTER TABLE ducat.${table}_away RENAME TO ${table}`);
      expect([table, answers.some(({ status }) => status >= 500)]).toEqual([table, true]);
      const all = answers.map(({ text }) => text).join();
      expect(Object.values(secrets).filter((secret) => all.includes(secret))).toEqual([]);
    }
    expect(await findSecrets(stage, secrets)).toEqual([]);
    const screen = [...stage.lines, ...printed.mock.calls.map((call) => inspect(call))].join();
    expect([...Object.values(secrets), email].filter((one) => screen.includes(one))).toEqual([]);
  });
});
