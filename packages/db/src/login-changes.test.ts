import { createHash, randomUUID } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import { expect, it } from "vitest";
import { atOnce, makeRandom, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import type { Db } from "./connect.ts";
import { type Channel, startLoginChange, useLoginChange } from "./login-changes.ts";
import { banLogin, openLoginAccount } from "./logins.ts";
import {
  createSession,
  endSession,
  endSessions,
  refreshSession,
  switchSession,
} from "./sessions.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };
const notice = { sealed: "sealed" };
const hashOf = (text: string) => createHash("sha256").update(text).digest();
const makeEmail = () => `${randomUUID()}@x.example`;
const newSession = (id: string) => ({
  id,
  access_hash: hashOf(`a${id}1`).toString("hex"),
  refresh_hash: hashOf(`r${id}1`).toString("hex"),
});

type Person = Awaited<ReturnType<typeof begin>>;
async function begin(isVerified = true) {
  const email = makeEmail();
  const [login] = await database.admin<{ id: string }[]>`
    INSERT INTO ducat.logins (email, email_verified, verified_at)
    VALUES (${email}, ${isVerified}, ${isVerified ? new Date() : null}) RETURNING id`;
  const loginId = login?.id ?? "";
  await database.admin`
    INSERT INTO ducat.login_credentials (login_id, provider_id, provider_account_id, password)
    VALUES (${loginId}, 'credential', ${loginId}, 'old')`;
  const accountId = await openLoginAccount(database.app, loginId);
  const sessionId = randomUUID();
  await createSession(database.app, { loginId, accountId }, newSession(sessionId));
  return { email, loginId, accountId, sessionId };
}

/** Asks for an address as the API does; the right code is "right". */
const start = (person: Person, address: string, channel: Channel = "email") =>
  startLoginChange(database.app, person, {
    change: { channel, address, hash: hashOf("right"), message: { sealed: "x", locale: "en" } },
    limits: [],
  });
const finish = (person: Person, address: string, more: Finish = {}) => {
  const { code = "right", channel = "email", db = database.app } = more;
  const guess = { channel, address, hashes: [hashOf(code)], notice };
  return useLoginChange(db, person, { guess, audit });
};
type Finish = { code?: string; channel?: Channel; db?: Db };

const readEmail = async ({ loginId }: Person) => {
  const [row] = await database.admin`SELECT email FROM ducat.logins WHERE id = ${loginId}`;
  return row?.email;
};

it("is asked for by an open session only, and finished by the same one", async () => {
  const person = await begin();
  const stranger = await begin();
  const mixed = { ...person, sessionId: stranger.sessionId };
  await expect(start(mixed, makeEmail())).rejects.toMatchObject({ code: "not_found" });
  const address = makeEmail();
  await start(person, address);
  expect(await finish(mixed, address)).toBe("wrong");
  expect(await finish(person, makeEmail())).toBe("wrong");
  await endSession(database.app, person.loginId, { id: person.sessionId, reason: "logout" });
  expect(await finish(person, address)).toBe("wrong");
  await expect(start(person, address)).rejects.toMatchObject({ code: "not_found" });
  expect(await readEmail(person)).toBe(person.email);
});

it("begins no session by what it was before, whatever was proven of that", async () => {
  const person = await begin();
  const { loginId, accountId, email } = person;
  const as = (proof: { email?: string; phone?: string }) =>
    createSession(database.app, { loginId, accountId }, { ...newSession(randomUUID()), ...proof });
  const phone = "+989121234567";
  expect(await as({ phone })).toBeUndefined();
  await start(person, phone, "phone");
  expect(await finish(person, phone, { channel: "phone" })).toBe("changed");
  expect(await as({ email })).toBeDefined();
  expect(await as({ phone })).toBeDefined();
  await start(person, makeEmail());
  await start(person, "+989121234568", "phone");
  expect(await finish(person, "+989121234568", { channel: "phone" })).toBe("changed");
  expect(await as({ phone })).toBeUndefined();
});

it("forgets what was never finished", async () => {
  const [old, person] = [await begin(), await begin()];
  await start(old, makeEmail());
  await database.admin`
    UPDATE ducat.login_changes SET expires_at = clock_timestamp() - interval '61 minutes'
    WHERE login_id = ${old.loginId}`;
  await start(person, makeEmail());
  const left = await database.admin`
    SELECT login_id FROM ducat.login_changes
    WHERE login_id IN (${old.loginId}, ${person.loginId})`;
  expect(left).toEqual([{ login_id: person.loginId }]);
});

it("of two who take each other's unproven addresses at once, both are served", async () => {
  for (let n = 0; n < 5; n++) {
    const [one, two] = [await begin(false), await begin(false)];
    await start(one, two.email);
    await start(two, one.email);
    const [first, second] = await openSessions(database.url, "ducat_app", 2);
    const outcomes = await Promise.all([
      finish(one, two.email, { ...(first && { db: first }) }),
      finish(two, one.email, { ...(second && { db: second }) }),
    ]);
    // Whoever comes second finds their session ended by the first, who has their address.
    expect(outcomes.sort()).toEqual(["changed", "wrong"]);
  }
});

/** Whatever may happen to a login at once; each meets what the others have made. */
const operations: ((db: Db, person: Person, random: (n: number) => number) => Promise<unknown>)[] =
  [
    (db, person) => finish(person, person.email, { db, code: "wrong" }),
    async (db, person) => {
      const address = makeEmail();
      await start(person, address);
      return await finish(person, address, { db });
    },
    (db, person, random) => {
      const id = sessionsOf(person).at(random(6)) ?? person.sessionId;
      return endSession(db, person.loginId, { id, reason: "revoked" });
    },
    (db, { loginId, sessionId }, random) =>
      endSessions(db, loginId, { except: random(2) ? sessionId : null, reason: "revoked" }),
    (db, person) => {
      const session = newSession(randomUUID());
      sessionsOf(person).push(session.id);
      return createSession(db, person, session);
    },
    (db, person, random) => {
      const session = newSession(randomUUID());
      const from = sessionsOf(person).at(-1 - random(3)) ?? person.sessionId;
      sessionsOf(person).push(session.id);
      const { loginId, accountId } = person;
      return switchSession(db, { loginId, sessionId: from }, { accountId, session });
    },
    (db, person, random) => {
      const id = sessionsOf(person).at(-1 - random(4)) ?? person.sessionId;
      const hashes = newSession(randomUUID());
      return refreshSession(db, { id, generation: 1, hash: hashOf(`r${id}1`) }, hashes);
    },
    (db, { loginId }, random) => banLogin(db, loginId, { isBanned: random(4) === 0, audit }),
    (_, { loginId }, random) => database.admin`
      UPDATE ducat.login_credentials SET password = ${`p${random(1000)}`}
      WHERE login_id = ${loginId}`,
  ];
const made = new Map<string, string[]>();
const sessionsOf = ({ loginId, sessionId }: Person) => {
  const known = made.get(loginId) ?? [sessionId];
  made.set(loginId, known);
  return known;
};

it("and everything else that ends or begins sessions wait for each other in one order", async () => {
  const people = await Promise.all([begin(), begin(), begin()]);
  const pool = await openSessions(database.url, "ducat_app", 8);
  const random = makeRandom(7);
  const [before] = await database.admin`
    SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`;
  const work = atOnce(pool, 500, async (db) => {
    const run = operations[random(operations.length)];
    const person = people[random(people.length)];
    if (!run || !person) throw new Error("there is nothing to do");
    // Refusals are part of the game: their sessions have ended.
    await run(db, person, random).catch((error: unknown) => {
      if (!(error instanceof DomainError && error.code === "not_found")) throw error;
    });
  });
  await Promise.all(work);
  const [after] = await database.admin`
    SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`;
  expect(after?.deadlocks).toBe(before?.deadlocks);
});
