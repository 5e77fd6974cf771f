import { createHash, randomInt, randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { atOnce, makeRandom, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import type { Db } from "./connect.ts";
import {
  type CodePurpose,
  resetPasswordByCode,
  sendLoginCode,
  useLoginCode,
} from "./login-codes.ts";
import { createSession, findSession } from "./sessions.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "req-test", ip: null };
const makePhone = () => `+98912${randomInt(1_000_000, 9_999_999)}`;
const hashOf = (code: string) => createHash("sha256").update(code).digest();
const limit = (key: string, most: number) => ({ key, limit: most, windowSeconds: 600 });

/** Sends a code as the API does; the right one is "right". */
const send = (phone: string, purpose: CodePurpose = "login", code = "right") =>
  sendLoginCode(
    database.app,
    { phone, purpose, hash: hashOf(code), message: { sealed: `sealed-${code}`, locale: "fa" } },
    [],
  );
const verify = (
  phone: string,
  { code = "right", purpose = "login", db = database.app, ...more }: VerifyOptions = {},
) => useLoginCode(db, { phone, purpose, hashes: [hashOf(code)] }, { locale: "en", audit, ...more });
type VerifyOptions = { code?: string; purpose?: CodePurpose; db?: Db; password?: string };

const readCode = async (phone: string, purpose = "login") => {
  const [row] = await database.admin`
    SELECT tries, used_at, hash FROM ducat.login_codes
    WHERE phone = ${phone} AND purpose = ${purpose}`;
  return row;
};
const countLogins = async (phone: string) => {
  const [row] = await database.admin`SELECT count(*) FROM ducat.logins WHERE phone = ${phone}`;
  return row?.count;
};
const listMessages = (phone: string) => database.admin`
  SELECT status, data, due_at, channel, kind FROM ducat.messages
  WHERE recipient = ${phone} ORDER BY id`;

it("a right code makes the login of its number, with an account, and finds it again", async () => {
  const phone = makePhone();
  await send(phone);
  expect(await countLogins(phone)).toBe(0);
  const first = await verify(phone);
  expect(first).toEqual({ login_id: expect.any(String), account_id: expect.any(String) });
  await send(phone);
  expect(await verify(phone)).toEqual(first);
  const [account] = await database.admin`
    SELECT phone, kind FROM ducat.accounts WHERE id = ${first?.account_id ?? null}`;
  expect(account).toEqual({ phone, kind: "user" });
});

it("a code works once, for its number, its purpose, ten minutes, and until the next", async () => {
  const [phone, other] = [makePhone(), makePhone()];
  await send(phone);
  await send(other, "login", "another");
  await send(phone, "phone_verify", "verifying");
  expect(await verify(other), "the code of another number").toBeUndefined();
  expect(await verify(phone, { purpose: "phone_verify" }), "of another purpose").toBeUndefined();
  expect(await verify(phone)).toBeDefined();
  expect(await verify(phone), "used").toBeUndefined();
  await send(phone, "login", "older");
  await send(phone, "login", "newer");
  expect(await verify(phone, { code: "older" }), "replaced").toBeUndefined();
  await database.admin`
    UPDATE ducat.login_codes SET expires_at = clock_timestamp() - interval '1 ms'
    WHERE phone = ${phone} AND purpose = 'login'`;
  expect(await verify(phone, { code: "newer" }), "expired").toBeUndefined();
});

it("a code for a new password opens nothing, and one that opens sets no password", async () => {
  const phone = makePhone();
  await send(phone);
  await verify(phone);
  await send(phone, "password_reset");
  expect(await verify(phone, { purpose: "password_reset" })).toBeUndefined();
  expect((await readCode(phone, "password_reset"))?.tries).toBe(0);
  await send(phone, "phone_verify", "opens");
  const guess = { phone, hashes: [hashOf("opens")] };
  const reset = { password: "hash", audit };
  expect(await resetPasswordByCode(database.app, guess, reset)).toBeUndefined();
});

it("of 20 wrong guesses at once five are judged, then the right one is refused too", async () => {
  const phone = makePhone();
  await send(phone);
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const wrong = atOnce(sessions, 20, (db, n) => verify(phone, { code: `wrong${n}`, db }));
  expect((await Promise.all(wrong)).filter(Boolean)).toEqual([]);
  expect((await readCode(phone))?.tries).toBe(5);
  expect(await verify(phone)).toBeUndefined();
  expect(await countLogins(phone)).toBe(0);
});

it("20 guesses that come while the code is busy are counted one by one", async () => {
  const phone = makePhone();
  await send(phone);
  await database.admin.unsafe(`
    CREATE TABLE public.judged (n int);
    CREATE FUNCTION public.note_judged() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
    'BEGIN INSERT INTO public.judged VALUES (NEW.tries); RETURN NULL; END';
    CREATE TRIGGER note_judged AFTER UPDATE ON ducat.login_codes
    FOR EACH ROW EXECUTE FUNCTION public.note_judged()`);
  const sessions = await openSessions(database.url, "ducat_app", 20);
  const holder = await database.admin.reserve();
  await holder`BEGIN`;
  await holder`SELECT FROM ducat.login_codes WHERE phone = ${phone} FOR UPDATE`;
  const guesses = atOnce(sessions, 20, (db, n) => verify(phone, { code: `wrong${n}`, db }));
  await waitForLocks(database.admin, 20);
  await holder`COMMIT`;
  holder.release();
  await Promise.all(guesses);
  const judged = await database.admin`SELECT n FROM public.judged ORDER BY n`;
  expect(judged.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  await database.admin.unsafe(
    "DROP TRIGGER note_judged ON ducat.login_codes; DROP FUNCTION public.note_judged",
  );
});

it("of 20 right guesses at once one opens, and one login is made", async () => {
  const phone = makePhone();
  await send(phone);
  await send(phone, "phone_verify");
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const purposes = ["login", "phone_verify"] as const;
  const guesses = atOnce(sessions, 40, (db, n) =>
    verify(phone, { db, purpose: purposes[n % 2] ?? "login" }),
  );
  const opened = (await Promise.all(guesses)).filter(Boolean);
  expect(opened).toHaveLength(2);
  expect(opened[0]).toEqual(opened[1]);
  expect(await countLogins(phone)).toBe(1);
});

it("10,000 guesses over 500 codes of two digits succeed no more often than five each", async () => {
  const random = makeRandom(20_261_120);
  const codes = Array.from({ length: 500 }, (_, n) => ({ n, code: `${random(100)}` }));
  const guesses = Array.from({ length: 10_000 }, (_, n) => ({
    n: n % 500,
    code: `${(random(5) + 7 * Math.floor(n / 500)) % 100}`,
  }));
  await database.admin`
    INSERT INTO ducat.login_codes (phone, purpose, hash, expires_at)
    SELECT '+1555' || n, 'login', sha256(code::bytea), clock_timestamp() + interval '10 minutes'
    FROM jsonb_to_recordset(${JSON.stringify(codes)}::text::jsonb) AS c (n int, code text)`;
  const [row] = await database.admin<{ right: number; tries: number }[]>`
    WITH judged AS MATERIALIZED (
      SELECT ducat.judge_login_code('+1555' || n, 'login', ARRAY[sha256(code::bytea)]) AS ok
      FROM jsonb_to_recordset(${JSON.stringify(guesses)}::text::jsonb) AS g (n int, code text))
    SELECT count(*) FILTER (WHERE ok)::int AS right FROM judged`;
  const [told] = await database.admin<{ tries: number }[]>`
    SELECT sum(tries)::int AS tries FROM ducat.login_codes WHERE phone LIKE '+1555%'`;
  // 500 codes, five guesses each, one in a hundred is right: 25, and 4 standard deviations more.
  expect(row?.right).toBeLessThanOrEqual(25 + 20);
  expect(row?.right).toBeGreaterThan(0);
  expect(told?.tries).toBeLessThanOrEqual(2_500);
  expect(told?.tries).toBeGreaterThan(2_300);
});

it("writes and sends nothing when a limit refuses; of 30 at once three are sent", async () => {
  const phone = makePhone();
  const most = [limit(`phone:${randomUUID()}`, 3)];
  const sessions = await openSessions(database.url, "ducat_app", 8);
  const sent = atOnce(sessions, 30, (db, n) =>
    sendLoginCode(
      db,
      { phone, purpose: "login", hash: hashOf(`${n}`), message: { sealed: `${n}`, locale: "en" } },
      most,
    ),
  );
  const refused = (await Promise.all(sent)).filter(Boolean);
  expect(refused).toHaveLength(27);
  expect(refused[0]).toMatchObject({ retryAfterSeconds: expect.any(Number) });
  expect(await listMessages(phone)).toHaveLength(3);
});

it("a number that nobody has gets no code for a new password, but leaves the same rows", async () => {
  const [known, unknown] = [makePhone(), makePhone()];
  await send(known);
  await verify(known);
  const before = await database.admin`SELECT count(*) FROM ducat.messages`;
  expect(await send(known, "password_reset")).toBeUndefined();
  expect(await send(unknown, "password_reset")).toBeUndefined();
  const after = await database.admin`SELECT count(*) FROM ducat.messages`;
  expect((after[0]?.count ?? 0) - (before[0]?.count ?? 0)).toBe(2);
  expect((await listMessages(known)).at(-1)).toMatchObject({ status: "pending", channel: "sms" });
  expect(await listMessages(unknown)).toEqual([]);
  expect(await readCode(unknown, "password_reset")).toBeDefined();
  // And should somebody guess it, there is nothing to reset.
  const guess = { phone: unknown, hashes: [hashOf("right")] };
  expect(await resetPasswordByCode(database.app, guess, { password: "x", audit })).toBeUndefined();
});

it("a password comes with the proof of a number, and signing up again changes none", async () => {
  const phone = makePhone();
  const readPassword = async (loginId: string | undefined) => {
    const [row] = await database.admin`
      SELECT password FROM ducat.login_credentials WHERE login_id = ${loginId ?? null}`;
    return row?.password;
  };
  await send(phone, "phone_verify");
  const wrong = { code: "wrong", purpose: "phone_verify", password: "stranger" } as const;
  expect(await verify(phone, wrong)).toBeUndefined();
  const made = await verify(phone, { purpose: "phone_verify", password: "first" });
  expect(await readPassword(made?.login_id)).toBe("first");
  await send(phone, "phone_verify");
  await verify(phone, { purpose: "phone_verify", password: "second" });
  expect(await readPassword(made?.login_id)).toBe("first");
});

it("a new password by a code ends every session, and is refused to who is shut out", async () => {
  const phone = makePhone();
  await send(phone);
  const made = await verify(phone);
  const ids = { loginId: made?.login_id ?? "", accountId: made?.account_id ?? "" };
  const hash = hashOf("token").toString("hex");
  const tokens = { access_hash: hash, refresh_hash: hash };
  const id = randomUUID();
  expect(await createSession(database.app, ids, { id, ...tokens })).toBeDefined();
  const reset = async () => {
    await send(phone, "password_reset");
    const guess = { phone, hashes: [hashOf("right")] };
    return resetPasswordByCode(database.app, guess, { password: "new", audit });
  };
  expect(await reset()).toEqual({ login_id: ids.loginId });
  expect(await findSession(database.app, id, 1)).toBeUndefined();
  await database.admin`
    UPDATE ducat.logins SET banned_at = clock_timestamp() WHERE id = ${ids.loginId}`;
  expect(await reset()).toBeUndefined();
});

it("keeps no code, forgets old ones, and leaves a taken number to the account that has it", async () => {
  const [phone, old] = [makePhone(), makePhone()];
  await database.admin`
    INSERT INTO ducat.accounts (kind, phone) VALUES ('user', ${phone})`;
  await send(old);
  await database.admin`
    UPDATE ducat.login_codes SET expires_at = '2020-01-01' WHERE phone = ${old}`;
  await send(phone);
  expect(await readCode(old)).toBeUndefined();
  const made = await verify(phone);
  const [account] = await database.admin`
    SELECT phone FROM ducat.accounts WHERE id = ${made?.account_id ?? null}`;
  expect(account?.phone).toBeNull();
});

it("a code is nobody's to read or judge but by the functions", async () => {
  for (const db of [database.app, database.worker]) {
    await expect(db`SELECT FROM ducat.login_codes`).rejects.toThrow(/permission denied/);
    await expect(db`SELECT ducat.judge_login_code('+1', 'login', '{}'::bytea[])`).rejects.toThrow(
      /permission denied/,
    );
  }
});
