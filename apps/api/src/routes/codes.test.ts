import { randomUUID } from "node:crypto";
import { claimMessages } from "@ducat/db/messages";
import { renderMessage } from "@ducat/messages/render-message";
import { createSeal } from "@ducat/messages/seal";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAuth, password, readMails } from "../../test/person.ts";
import { type Answer, type Stage, setStage } from "../../test/stage.ts";
import {
  logInByPhone,
  makePhone,
  otherThan,
  readCode,
  send,
  verify,
} from "../../test/telephone.ts";
import { sendCode } from "../logins/send-code.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage({ deps: { proxyHops: 1 } });
  await stage.deps.cache.ready();
  // The limit of a day is tried in a test of its own.
  stage.deps.logins.sms = { countries: [], dailyLimit: 1_000_000 };
});
afterAll(() => stage.close());

const other = "another horse, the same staple";
const ask = (path: string, body: unknown) => askAuth(stage, path, body);
const readTrial = async (bearer: string) =>
  (await stage.call("/v1/credits/balance", { bearer })).body.trial_credits;
const readTries = async (phone: string, purpose = "login") => {
  const [row] = await stage.db.admin`
    SELECT tries FROM ducat.login_codes WHERE phone = ${phone} AND purpose = ${purpose}`;
  return row?.tries;
};
/** What a caller sees, but for the id of the request. */
const seen = ({ status, headers, body }: Answer) => ({
  status,
  headers: [...headers.keys()].sort(),
  body: body && { ...body, request_id: "" },
});

describe("a code", () => {
  it("signs up who has no login, with one trial, and logs them in again", async () => {
    const phone = makePhone();
    const sent = await send(stage, phone);
    expect([sent.status, sent.body]).toEqual([202, { expires_in: 600 }]);
    const [login] = await stage.db.admin`SELECT FROM ducat.logins WHERE phone = ${phone}`;
    expect(login).toBeUndefined();
    const code = await readCode(stage, phone);
    expect(code).toMatch(/^\d{6}$/);
    const made = await verify(stage, { phone, purpose: "login", code, locale: "fa" });
    expect(made.status).toBe(200);
    expect(made.body).toMatchObject({ is_verified: true, access_token: expect.any(String) });
    expect(await readTrial(made.body.access_token)).toBe(3);
    const [account] = await stage.db.admin`
      SELECT phone, locale FROM ducat.accounts WHERE id = ${made.body.account_id}`;
    expect(account).toEqual({ phone, locale: "fa" });
    const again = await logInByPhone(stage, phone);
    expect(again.account_id).toBe(made.body.account_id);
    expect(await readTrial(again.access_token)).toBe(3);
  });

  it("is one for a number however it is written, Persian digits in the code too", async () => {
    const phone = makePhone();
    const persian = (text: string) =>
      text.replace(/\d/g, (digit) => String.fromCharCode(0x6f0 + Number(digit)));
    const sent = await send(stage, persian(phone.replace("+", "00")));
    expect(sent.status).toBe(202);
    const code = await readCode(stage, phone);
    const body = { phone: ` ${phone.replace("+98", "+98 ")}`, purpose: "login" };
    expect((await verify(stage, { ...body, code: persian(code) })).status).toBe(200);
  });

  it("speaks the language that was asked for, and its purpose", async () => {
    const phone = makePhone();
    await askAuth(stage, "otp/send", { phone, purpose: "phone_verify", locale: "fa" });
    const code = await readCode(stage, phone);
    const claimed = await claimMessages(stage.db.worker, {
      ...{ channel: "sms", limit: 100, leaseSeconds: 60 },
    });
    const message = claimed.find(({ recipient }) => recipient === phone);
    expect(message).toMatchObject({ locale: "fa", kind: "login_code", name: null });
    const data = createSeal(["s".repeat(32)]).open(message?.data ?? {});
    const { sms } = await renderMessage(
      { kind: "login_code", locale: "fa", data },
      { publicUrl: "https://shop.example" },
    );
    expect(sms).toBe(`کد شما: ${code}\nبرای تأیید شماره. آن را به کسی ندهید.`);
  });

  it("is not sent when it has expired, and leaves nothing in the message", async () => {
    const phone = makePhone();
    await send(stage, phone);
    await stage.db.admin`
      UPDATE ducat.messages SET created_at = clock_timestamp() - interval '11 minutes',
        due_at = clock_timestamp() - interval '1 s' WHERE recipient = ${phone} RETURNING id`;
    const claimed = await stage.db.worker`SELECT recipient FROM ducat.claim_messages('sms', 100)`;
    expect(claimed.map(({ recipient }) => recipient)).not.toContain(phone);
    const [late] = await stage.db.admin`
      SELECT status, data, recipient FROM ducat.messages
      WHERE last_error = 'the code has expired'`;
    expect(late).toEqual({ status: "skipped", data: {}, recipient: null });
  });

  it("that is no code of this number and purpose, or no longer, is refused in one way", async () => {
    const [phone, neighbour] = [makePhone(), makePhone()];
    const guess = (code: string, more: object = {}) =>
      verify(stage, { phone, purpose: "login", code, ...more });
    await send(stage, neighbour);
    const answers = [await guess("000000")]; // there is none at all
    await send(stage, phone);
    const code = await readCode(stage, phone);
    await send(stage, phone, "phone_verify");
    const verifying = await readCode(stage, phone);
    answers.push(await guess(otherThan(code)), await guess(verifying));
    answers.push(await guess(code, { purpose: "phone_verify" }));
    answers.push(await guess(code, { purpose: "password_reset", password }));
    answers.push(await guess(code, { phone: neighbour }));
    expect((await guess(code)).status).toBe(200);
    answers.push(await guess(code)); // used
    await send(stage, phone);
    const late = await readCode(stage, phone);
    await stage.db.admin`
      UPDATE ducat.login_codes SET expires_at = clock_timestamp() WHERE phone = ${phone}`;
    answers.push(await guess(late));
    const [first] = answers.map(seen);
    expect(first?.status).toBe(401);
    for (const answer of answers) expect(seen(answer)).toEqual(first);
  });

  it("of 20 wrong guesses at once is judged five times, and is burned", async () => {
    const phone = makePhone();
    await send(stage, phone);
    const code = await readCode(stage, phone);
    const guess = (text: string) => verify(stage, { phone, purpose: "login", code: text });
    const wrong = Array.from({ length: 20 }, (_, n) => guess(otherThan(code, n + 1)));
    const statuses = (await Promise.all(wrong)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(await readTries(phone)).toBe(5);
    expect((await guess(code)).status).toBe(401);
    await send(stage, phone);
    expect((await guess(await readCode(stage, phone))).status).toBe(200);
  });

  it("opens nothing for who is shut out", async () => {
    const phone = makePhone();
    await logInByPhone(stage, phone);
    await stage.db.admin`
      UPDATE ducat.logins SET banned_at = clock_timestamp() WHERE phone = ${phone}`;
    expect(await logInByPhone(stage, phone)).toMatchObject({ code: "unauthenticated" });
  });

  it("needs a number that gets messages, and nothing that is not asked for", async () => {
    for (const phone of ["+982188776655", "+98912", "nobody", "0912 123 4567"]) {
      const refused = await send(stage, phone);
      expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, "/phone"]);
    }
    const phone = makePhone();
    const bodies = [
      { phone, purpose: "login", code: "12345" },
      { phone, purpose: "login", code: "123456", password },
      { phone, purpose: "password_reset", code: "123456" },
      { phone, purpose: "phone_verify", code: "123456", password: "short" },
      { phone, purpose: "anything", code: "123456" },
    ];
    for (const body of bodies) expect((await verify(stage, body)).status).toBe(422);
    expect((await ask("otp/send", { phone, purpose: "login", tries: 0 })).status).toBe(422);
  });
});

describe("a number with a password", () => {
  const signUp = async (phone: string) => {
    const made = await ask("register", { phone, password });
    expect(made.status).toBe(202);
    const code = await readCode(stage, phone);
    return verify(stage, { phone, purpose: "phone_verify", code, password });
  };
  const logIn = (phone: string, text = password) => ask("login", { phone, password: text });

  it("is proven by a code, and logs in", async () => {
    const phone = makePhone();
    const made = await signUp(phone);
    expect(made.body).toMatchObject({ is_verified: true });
    const begun = await logIn(phone.replace("+", "00"));
    expect([begun.status, begun.body.account_id]).toEqual([200, made.body.account_id]);
    expect(await readTrial(begun.body.access_token)).toBe(3);
    expect((await logIn(phone, other)).status).toBe(401);
  });

  it("nothing of a sign-up is kept before: another's password never comes into force", async () => {
    const phone = makePhone();
    await ask("register", { phone, password: other });
    expect((await logIn(phone, other)).status).toBe(401);
    await signUp(phone);
    expect((await logIn(phone, other)).status).toBe(401);
    // And signing up again with a number that has a password changes none.
    await ask("register", { phone, password: other });
    const code = await readCode(stage, phone);
    const again = { phone, purpose: "phone_verify", code, password: other };
    expect((await verify(stage, again)).status).toBe(200);
    expect((await logIn(phone, other)).status).toBe(401);
    expect((await logIn(phone)).status).toBe(200);
  });

  it("gets a new one by a code: what the old one opened is shut", async () => {
    const phone = makePhone();
    const { access_token: bearer } = (await signUp(phone)).body;
    await send(stage, phone, "password_reset");
    const code = await readCode(stage, phone);
    const reset = { phone, purpose: "password_reset", code, password: other };
    const done = await verify(stage, reset);
    expect([done.status, done.text]).toEqual([204, ""]);
    expect((await stage.call("/v1/credits/balance", { bearer })).status).toBe(401);
    expect((await logIn(phone)).status).toBe(401);
    expect((await logIn(phone, other)).status).toBe(200);
    expect((await verify(stage, reset)).status).toBe(401);
  });

  it("is asked for by an address or a number, one of them", async () => {
    const both = { email: "ada@home.example", phone: makePhone(), password };
    for (const path of ["login", "register"]) {
      expect((await ask(path, both)).status).toBe(422);
      expect((await ask(path, { password })).status).toBe(422);
    }
  });
});

describe("who has a number", () => {
  it("nobody is told, by any answer", async () => {
    const [known, unknown] = [makePhone(), makePhone()];
    await logInByPhone(stage, known);
    for (const purpose of ["phone_verify", "login", "password_reset"]) {
      const [one, two] = [await send(stage, known, purpose), await send(stage, unknown, purpose)];
      // The first code above was the known one's first: its third is refused like any third.
      if (one.status === 202) expect(seen(one)).toEqual(seen(two));
      const guess = { purpose, code: "000000", ...(purpose === "password_reset" && { password }) };
      const guesses = [known, unknown].map((phone) => verify(stage, { phone, ...guess }));
      const [first, second] = (await Promise.all(guesses)).map(seen);
      expect(first).toEqual(second);
    }
    const tries = [known, unknown].map((phone) => ask("login", { phone, password }));
    const [first, second] = (await Promise.all(tries)).map(seen);
    expect([first?.status, first]).toEqual([401, second]);
    expect(await readMails(stage, unknown)).toHaveLength(2); // none for a new password
  });

  it("the time doesn't tell either, even without the least time of an answer", async () => {
    const pairs = Array.from({ length: 200 }, () => [makePhone(), makePhone()] as const);
    await stage.db.admin`
      INSERT INTO ducat.logins (phone, verified_at)
      SELECT unnest(${pairs.map(([known]) => known)}::text[]), clock_timestamp()`;
    const times = { known: [] as number[], unknown: [] as number[] };
    const measure = async (kind: "known" | "unknown", phone: string) => {
      const start = performance.now();
      expect((await send(stage, phone, "password_reset")).status).toBe(202);
      times[kind].push(performance.now() - start);
    };
    for (const [n, [known, unknown]] of pairs.entries()) {
      const order = [["known", known] as const, ["unknown", unknown] as const];
      for (const [kind, phone] of n % 2 ? order : order.reverse()) await measure(kind, phone);
    }
    const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length / 2] ?? 0;
    const [known, unknown] = [median(times.known), median(times.unknown)];
    expect(Math.abs(known - unknown)).toBeLessThan(Math.max(1, 0.25 * known));
  });
});

describe("the limits of sending", () => {
  const from = (ip: string) => ({ headers: { "x-forwarded-for": ip } });
  const endWindow = (key: string) => stage.db.admin`
    UPDATE ducat.rate_limits SET resets_at = clock_timestamp() WHERE key LIKE ${`${key}%`}`;

  it("of 30 at once to one number three are sent, ten in a day, whatever they are for", async () => {
    const phone = makePhone();
    const purposes = ["login", "phone_verify", "password_reset"];
    const round = async (count: number) => {
      const sent = Array.from({ length: count }, (_, n) => send(stage, phone, purposes[n % 3]));
      const answers = await Promise.all(sent);
      const refused = answers.find(({ status }) => status === 429);
      expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(60);
      expect(refused?.body.retry_after_s).toBe(Number(refused?.headers.get("retry-after")));
      return answers.filter(({ status }) => status === 202).length;
    };
    expect(await round(30)).toBe(3);
    const counts = [];
    for (let n = 0; n < 4; n++) {
      await endWindow("sms:phone:");
      counts.push(await round(6));
    }
    expect(counts).toEqual([3, 3, 1, 0]);
  });

  it("5,000 sends over one block of numbers stop at its cap", async () => {
    const { logins } = stage.deps;
    let sent = 0;
    let next = 0;
    const sendAll = async () => {
      for (let n = next++; n < 5_000; n = next++) {
        const phone = `+4917612${String(n * 17).padStart(6, "0")}`;
        const request = { phone, purpose: "login", locale: "en" } as const;
        await sendCode(logins, request).then(
          () => sent++,
          (error) => expect(error.code).toBe("rate_limited"),
        );
      }
    };
    await Promise.all(Array.from({ length: 8 }, sendAll));
    expect(sent).toBe(50);
    const [row] = await stage.db.admin`
      SELECT count(*)::int FROM ducat.messages WHERE recipient LIKE '+4917612%'`;
    expect(row?.count).toBe(50);
    expect((await send(stage, "+4915112345678")).status, "another block").toBe(202);
  });

  it("one place gets 20 in an hour, a network of IPv6 is one place", async () => {
    const statuses = async (makeIp: (n: number) => string) => {
      const sent = Array.from({ length: 24 }, (_, n) =>
        send(stage, makePhone(), "login", from(makeIp(n))),
      );
      return (await Promise.all(sent)).filter(({ status }) => status === 202).length;
    };
    expect(await statuses(() => "203.0.113.7")).toBe(20);
    expect(await statuses((n) => `2001:db8:5:6::${n + 1}`)).toBe(20);
    expect((await send(stage, makePhone(), "login", from("203.0.113.8"))).status).toBe(202);
  });

  it("one place judges 60 codes in a quarter of an hour", async () => {
    const guess = (n: number) =>
      askAuth(
        stage,
        "otp/verify",
        { phone: makePhone(), purpose: "login", code: String(100_000 + n) },
        from("203.0.113.9"),
      );
    const answers = await Promise.all(Array.from({ length: 70 }, (_, n) => guess(n)));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(60);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(10);
  });

  it("a day has a most of all, and other countries none", async () => {
    const { logins } = stage.deps;
    await endWindow("sms:all");
    logins.sms = { countries: ["IR"], dailyLimit: 5 };
    const german = await send(stage, "+4915112345678");
    expect([german.status, german.body.code]).toEqual([422, "validation_failed"]);
    const sent = await Promise.all(Array.from({ length: 9 }, () => send(stage, makePhone())));
    expect(sent.filter(({ status }) => status === 202)).toHaveLength(5);
    // Where there is one country, its people write as they do at home.
    logins.sms = { countries: ["IR"], dailyLimit: 1_000_000 };
    expect((await send(stage, makePhone().replace("+98", "0"))).status).toBe(202);
    logins.sms = { countries: [], dailyLimit: 1_000_000 };
  });

  it("a refused one writes nothing", async () => {
    const phone = makePhone();
    for (let n = 0; n < 3; n++) await send(stage, phone);
    const code = await readCode(stage, phone);
    expect((await send(stage, phone)).status).toBe(429);
    expect((await verify(stage, { phone, purpose: "login", code })).status).toBe(200);
  });
});

it("no code is to be found in a dump or in what was logged", async () => {
  const phone = makePhone();
  await ask("register", { phone, password: `${password} ${randomUUID()}` });
  await send(stage, phone);
  const codes = (await readMails(stage, phone)).map(({ data }) => String(data.code));
  expect(codes).toHaveLength(2);
  const tables = ["login_codes", "messages", "rate_limits", "audit_logs", "login_credentials"];
  for (const table of tables) {
    const [row] = await stage.db.admin`
      SELECT string_agg(t::text, ' ') AS dump FROM ${stage.db.admin(`ducat.${table}`)} AS t`;
    const texts = String(row?.dump).match(/(?<![\da-f])\d{6}(?!\d|[+-])/g) ?? [];
    for (const code of codes) expect(texts, table).not.toContain(code);
    expect(String(row?.dump)).not.toContain(password);
  }
  const logged = stage.lines.join("");
  expect(logged).not.toContain(phone.slice(1));
  for (const code of codes) expect(logged).not.toContain(`"${code}"`);
});
