import { createHash, randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { waitForLocks } from "../test/wait.ts";
import type { Db } from "./connect.ts";
import { openLoginAccount } from "./logins.ts";
import { createSession, endSession, endSessions, findSession, refreshSession } from "./sessions.ts";

const database = useDatabase();
/** Whatever stands for the tokens of a generation. */
const hashesOf = (id: string, generation: number) => ({
  access_hash: createHash("sha256").update(`a${id}${generation}`).digest("hex"),
  refresh_hash: createHash("sha256").update(`r${id}${generation}`).digest("hex"),
});

async function begin() {
  const [login] = await database.admin<{ id: string }[]>`
    INSERT INTO ducat.logins (email, verified_at) VALUES (${`${randomUUID()}@x.example`}, now())
    RETURNING id`;
  const loginId = login?.id ?? "";
  const accountId = await openLoginAccount(database.app, loginId);
  const id = randomUUID();
  await createSession(database.app, { loginId, accountId }, { id, ...hashesOf(id, 1) });
  return { id, loginId, accountId };
}

const refresh = (db: Db, id: string, generation: number) =>
  refreshSession(
    db,
    { id, generation, hash: Buffer.from(hashesOf(id, generation).refresh_hash, "hex") },
    hashesOf(id, generation + 1),
  );

/** Runs `second` while `first` is done and not committed, and waits until it waits for it. */
async function overlap<T>(first: (db: Db) => Promise<unknown>, second: (db: Db) => Promise<T>) {
  const [one, two] = await openSessions(database.url, "ducat_app", 2);
  if (!one || !two) throw new Error("there are two sessions");
  const [{ pid } = { pid: 0 }] = await two<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
  let running: Promise<T> | undefined;
  await one.begin(async (sql) => {
    await first(sql as unknown as Db);
    running = second(two);
    running.catch(() => undefined);
    for (let waits = false; !waits; ) {
      const [row] = await database.admin`
        SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = ${pid}`;
      waits = row?.waits === true;
    }
  });
  return await running;
}

it("a refresh that comes while another one runs waits for it and gets the same tokens", async () => {
  const { id } = await begin();
  const second = await overlap(
    (db) => refresh(db, id, 1),
    (db) => refresh(db, id, 1),
  );
  expect(second).toMatchObject({ generation: 2, refresh_hash: hashesOf(id, 2).refresh_hash });
  const [row] = await database.admin`SELECT generation FROM ducat.sessions WHERE id = ${id}`;
  expect(row?.generation).toBe(2);
});

it("a refresh that comes while the session is ended brings nothing", async () => {
  const { id, loginId } = await begin();
  const late = await overlap(
    (db) => endSessions(db, loginId, { reason: "revoked" }),
    (db) => refresh(db, id, 1),
  );
  expect(late).toBeUndefined();
  expect(await findSession(database.app, id, 1)).toBeUndefined();
});

it("a password that changes while a session begins ends that session too", async () => {
  const { loginId, accountId } = await begin();
  await database.admin`
    INSERT INTO ducat.login_credentials (login_id, provider_id, provider_account_id, password)
    VALUES (${loginId}, 'credential', ${loginId}, 'old')`;
  const id = randomUUID();
  const session = { id, ...hashesOf(id, 1), password: "old" };
  await overlap(
    (db) => createSession(db, { loginId, accountId }, session),
    async (db) => {
      await db`SET ROLE ducat_auth`;
      await db`
        UPDATE ducat.login_credentials SET password = 'new' WHERE login_id = ${loginId}`;
    },
  );
  expect(await findSession(database.app, id, 1)).toBeUndefined();
  const late = { ...session, id: randomUUID() };
  expect(await createSession(database.app, { loginId, accountId }, late)).toBeUndefined();
});

it("a session is on an account of its login only", async () => {
  const [mine, theirs] = [await begin(), await begin()];
  const id = randomUUID();
  const owner = { loginId: mine.loginId, accountId: theirs.accountId };
  expect(await createSession(database.app, owner, { id, ...hashesOf(id, 1) })).toBeUndefined();
});

it("of old generations only those stay whose access tokens still work", async () => {
  const { id } = await begin();
  for (let generation = 1; generation <= 5; generation++) {
    await database.admin`
      UPDATE ducat.session_tokens SET access_expires_at = now() WHERE session_id = ${id}`;
    await refresh(database.app, id, generation);
  }
  const rows = await database.admin`
    SELECT generation FROM ducat.session_tokens WHERE session_id = ${id} ORDER BY 1`;
  expect(rows.map(({ generation }) => generation)).toEqual([5, 6]);
  expect(await refresh(database.app, id, 2)).toBeUndefined();
  expect(await refresh(database.app, id, 6)).toBeUndefined();
});

/** Another session of the same login. */
async function beginBeside({ loginId, accountId }: { loginId: string; accountId: string }) {
  const id = randomUUID();
  await createSession(database.app, { loginId, accountId }, { id, ...hashesOf(id, 1) });
  return id;
}

it.each([
  [
    "ended",
    (db: Db, loginId: string, id: string) => endSession(db, loginId, { id, reason: "logout" }),
  ],
  ["replayed", (db: Db, _: string, id: string) => refresh(db, id, 1)],
])(
  "one that is %s with those begun from it locks all in order, and none before",
  async (_, end) => {
    const owner = await begin();
    const [low = "", high = ""] = [owner.id, await beginBeside(owner)].sort();
    for (const generation of [1, 2]) await refresh(database.app, high, generation);
    const holder = await database.admin.reserve();
    await holder`BEGIN`;
    await holder`SELECT FROM ducat.sessions WHERE id = ${low} FOR UPDATE`;
    const [session] = await openSessions(database.url, "ducat_app", 1);
    const ending = end(session ?? database.app, owner.loginId, high);
    try {
      await waitForLocks(database.admin, 1);
      // Whoever locks them in order gets the other one too, or both would wait for ever.
      await holder`SELECT FROM ducat.sessions WHERE id = ${high} FOR UPDATE NOWAIT`;
    } finally {
      await holder`ROLLBACK`;
      holder.release();
    }
    await ending;
    expect(await findSession(database.app, high, 3)).toBeUndefined();
    expect(await findSession(database.app, low, 1)).toBeDefined();
  },
);
