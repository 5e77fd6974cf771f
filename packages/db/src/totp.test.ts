import { randomBytes, randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { openLoginAccount } from "./logins.ts";
import { createSession } from "./sessions.ts";
import {
  activateTotp,
  challengeTotp,
  disableTotp,
  findTotp,
  offerTotp,
  passTotp,
  tryTotp,
} from "./totp.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "req-test", ip: null };
const step = 59_000_000;

async function makeLogin() {
  const [row] = await database.admin<{ id: string }[]>`
    INSERT INTO ducat.logins (email, email_verified, verified_at)
    VALUES (${`${randomUUID()}@home.example`}, true, clock_timestamp()) RETURNING id`;
  const loginId = row?.id ?? "";
  return { loginId, accountId: await openLoginAccount(database.app, loginId) };
}

/** A login whose second factor is in force since the code of `step`. */
async function makeGuarded() {
  const ids = await makeLogin();
  const secret = randomBytes(48);
  const codes = [randomBytes(32), randomBytes(32)];
  await offerTotp(database.app, ids.loginId, { secret, codes });
  const on = { secret: secret.toString("hex"), step, audit };
  expect(await activateTotp(database.app, ids.loginId, on)).toBe(true);
  return { ...ids, secret, codes: codes.map((code) => code.toString("hex")) };
}

async function challenge(ids: { loginId: string; accountId: string; password?: string }) {
  const hash = randomBytes(32);
  expect(await challengeTotp(database.app, hash, ids)).toBe(true);
  return hash;
}

const begin = (ids: { loginId: string; accountId: string }, more: object = {}) => {
  const hash = randomBytes(32).toString("hex");
  const session = { id: randomUUID(), access_hash: hash, refresh_hash: hash, ...more };
  return createSession(database.app, ids, session);
};

it("an offer replaces the one before, and is in force from its first right code on", async () => {
  const { loginId, accountId } = await makeLogin();
  const [one, two] = [randomBytes(48), randomBytes(48)];
  const codes = [randomBytes(32)];
  const offered = await offerTotp(database.app, loginId, { secret: one, codes });
  expect(offered?.name).toMatch(/@home\.example$/);
  await offerTotp(database.app, loginId, { secret: two, codes });
  const found = await findTotp(database.app, loginId);
  expect(found).toEqual({ secret: two.toString("hex"), is_active: false });
  expect(await challengeTotp(database.app, randomBytes(32), { loginId, accountId })).toBe(false);
  const on = (secret: Buffer) =>
    activateTotp(database.app, loginId, { secret: secret.toString("hex"), step, audit });
  expect(await on(one)).toBe(false);
  expect(await on(two)).toBe(true);
  expect(await on(two)).toBe(false);
  expect(await offerTotp(database.app, loginId, { secret: one, codes })).toBeUndefined();
});

it("of 30 guesses at once five are judged", async () => {
  const login = await makeGuarded();
  const hash = await challenge(login);
  const sessions = await openSessions(database.url, "ducat_app", 30);
  const holder = await database.admin.reserve();
  await holder`BEGIN`;
  await holder`SELECT FROM ducat.totp_challenges WHERE hash = ${hash} FOR UPDATE`;
  const guesses = atOnce(sessions, 30, (db) => tryTotp(db, hash));
  await waitForLocks(database.admin, 30);
  await holder`COMMIT`;
  holder.release();
  const judged = (await Promise.all(guesses)).filter((guess) => guess !== undefined);
  expect(judged).toHaveLength(5);
  expect(judged[0]).toEqual({
    login_id: login.loginId,
    account_id: login.accountId,
    password: null,
    secret: login.secret.toString("hex"),
  });
});

it("a code is accepted once, of many at once and in other challenges, and none before it", async () => {
  const login = await makeGuarded();
  const hashes = await Promise.all(Array.from({ length: 12 }, () => challenge(login)));
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const pass = (db: typeof database.app, hash: Buffer | undefined, next: number) =>
    passTotp(db, hash ?? Buffer.alloc(32), { step: next });
  expect(await pass(database.app, hashes[0], step), "what switched it on").toBe(false);
  const passes = atOnce(sessions, 10, (db, n) => pass(db, hashes[n], step + 2));
  expect((await Promise.all(passes)).filter(Boolean)).toHaveLength(1);
  expect(await pass(database.app, hashes[10], step + 1)).toBe(false);
  expect(await pass(database.app, hashes[10], step + 3)).toBe(true);
});

it("a backup code works once, whoever is first, and for its login only", async () => {
  const [login, other] = [await makeGuarded(), await makeGuarded()];
  const [code = "", second = ""] = login.codes;
  const foreign = await challenge(other);
  expect(await passTotp(database.app, foreign, { codes: [code] })).toBe(false);
  const hashes = await Promise.all(Array.from({ length: 10 }, () => challenge(login)));
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const passes = atOnce(sessions, 10, (db, n) =>
    passTotp(db, hashes[n] ?? Buffer.alloc(32), { codes: ["00".repeat(32), code] }),
  );
  expect((await Promise.all(passes)).filter(Boolean)).toHaveLength(1);
  const last = await challenge(login);
  expect(await passTotp(database.app, last, { codes: [second] })).toBe(true);
});

it("a login with a second factor gets a session by a challenge that was passed, once", async () => {
  const [login, other] = [await makeGuarded(), await makeGuarded()];
  expect(await begin(login)).toBeUndefined();
  const hash = await challenge(login);
  const by = { challenge: hash.toString("hex") };
  expect(await begin(login, by), "not passed").toBeUndefined();
  await passTotp(database.app, hash, { step: step + 1 });
  expect(await begin(other, by), "another login's").toBeUndefined();
  expect(await begin(login, by)).toBeDefined();
  expect(await begin(login, by), "used").toBeUndefined();
});

it("a challenge ends after ten minutes, and with the password that began it", async () => {
  const login = await makeGuarded();
  await database.admin`
    INSERT INTO ducat.login_credentials (login_id, provider_id, provider_account_id, password)
    VALUES (${login.loginId}, 'credential', ${login.loginId}, 'old')`;
  const late = await challenge(login);
  await database.admin`
    UPDATE ducat.totp_challenges SET expires_at = clock_timestamp() WHERE hash = ${late}`;
  expect(await tryTotp(database.app, late)).toBeUndefined();
  expect(await passTotp(database.app, late, { step: step + 1 })).toBe(false);
  const hash = await challenge({ ...login, password: "old" });
  expect(await tryTotp(database.app, hash)).toMatchObject({ password: "old" });
  await passTotp(database.app, hash, { step: step + 2 });
  await database.admin`
    UPDATE ducat.login_credentials SET password = 'new' WHERE login_id = ${login.loginId}`;
  const by = { challenge: hash.toString("hex"), password: "old" };
  expect(await begin(login, by)).toBeUndefined();
  expect(await tryTotp(database.app, hash)).toBeUndefined();
});

it("is switched off by a code that was not used yet, and then nothing of it is left", async () => {
  const login = await makeGuarded();
  const hash = await challenge(login);
  const off = (next: number) =>
    disableTotp(database.app, login.loginId, { proof: { step: next }, audit });
  expect(await off(step)).toBe(false);
  expect(await off(step + 1)).toBe(true);
  expect(await findTotp(database.app, login.loginId)).toBeUndefined();
  expect(await tryTotp(database.app, hash)).toBeUndefined();
  expect(await begin(login)).toBeDefined();
  const left = await database.admin`
    SELECT FROM ducat.totp_backup_codes WHERE login_id = ${login.loginId}`;
  expect(left).toHaveLength(0);
});

it("is nobody's to read but by the functions", async () => {
  const tables = ["login_totps", "totp_backup_codes", "totp_challenges"];
  for (const db of [database.app, database.worker]) {
    for (const name of tables) {
      await expect(db`SELECT FROM ${db(`ducat.${name}`)}`).rejects.toThrow(/permission denied/);
    }
    await expect(db`SELECT ducat.spend_totp(NULL, NULL, NULL)`).rejects.toThrow(/permission/);
  }
});
