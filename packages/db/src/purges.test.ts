import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import {
  forgetAnswers,
  forgetAuditLines,
  forgetClockRuns,
  forgetCodes,
  forgetEvents,
  forgetLimits,
  forgetMessages,
  forgetReconciliations,
  forgetSandboxDocuments,
  forgetSessions,
} from "./purges.ts";

const database = useDatabase();

const purges = {
  ...{ forgetAnswers, forgetAuditLines, forgetCodes, forgetLimits, forgetReconciliations },
  forgetSandboxDocuments,
};
const walks = { forgetClockRuns, forgetEvents, forgetMessages, forgetSessions };
type Kind = keyof typeof purges | keyof typeof walks;

/** What of a table is old enough to go after `days` more days, and how such a row is made. */
type Case = {
  purge: Kind;
  table: string;
  key: string;
  days: number;
  /** Makes a row that is so many days old and returns its key. */
  make(days: number): Promise<string>;
};

const hex = () => randomBytes(32).toString("hex");
const add = async (sql: string) => {
  const [row] = await database.admin.unsafe<{ key: string }[]>(sql);
  return String(row?.key);
};
const ago = (days: number) => `clock_timestamp() - make_interval(secs => ${days * 86_400})`;
const account = async () => (await makeAccount(database.app)).id;
const login = () => add(`INSERT INTO ducat.logins (name) VALUES ('x') RETURNING id AS key`);

const minute = 1 / 1_440;
const cases: Case[] = [
  {
    ...{ purge: "forgetAnswers", table: "idempotency_keys", key: "key", days: 30 },
    make: async (days) =>
      add(`INSERT INTO ducat.idempotency_keys (account_id, scope, key, fingerprint, result,
        created_at) VALUES ('${await account()}', 'consume', '${randomUUID()}', '', '{}',
        ${ago(days)}) RETURNING key`),
  },
  {
    ...{ purge: "forgetCodes", table: "login_codes", key: "phone", days: 60 * minute },
    make: (days) =>
      add(`INSERT INTO ducat.login_codes (phone, purpose, hash, expires_at) VALUES
        ('+98${Math.floor(Math.random() * 1e10)}', 'login', '\\x${hex()}', ${ago(days)})
        RETURNING phone AS key`),
  },
  {
    ...{ purge: "forgetCodes", table: "login_changes", key: "login_id", days: 60 * minute },
    make: async (days) =>
      add(`INSERT INTO ducat.login_changes (login_id, channel, session_id, address, hash,
        expires_at) VALUES ('${await login()}', 'email', '${randomUUID()}', 'x', '\\x${hex()}',
        ${ago(days)}) RETURNING login_id AS key`),
  },
  {
    ...{ purge: "forgetCodes", table: "verifications", key: "id", days: 0 },
    make: (days) =>
      add(`INSERT INTO ducat.verifications (identifier, value, expires_at) VALUES
        ('x', 'x', ${ago(days)}) RETURNING id AS key`),
  },
  {
    ...{ purge: "forgetCodes", table: "totp_challenges", key: "encode(hash, 'hex')", days: 0 },
    make: async (days) =>
      add(`INSERT INTO ducat.totp_challenges (hash, login_id, account_id, expires_at) VALUES
        ('\\x${hex()}', '${await login()}', '${randomUUID()}', ${ago(days)})
        RETURNING encode(hash, 'hex') AS key`),
  },
  {
    ...{ purge: "forgetLimits", table: "rate_limits", key: "key", days: minute },
    make: (days) =>
      add(`INSERT INTO ducat.rate_limits (key, taken, resets_at) VALUES
        ('${randomUUID()}', 1, ${ago(days)}) RETURNING key`),
  },
  {
    ...{ purge: "forgetReconciliations", table: "reconciliations", key: "id", days: 90 },
    make: (days) =>
      add(`INSERT INTO ducat.reconciliations (provider, mode, since, is_gapless, status, started_at,
        finished_at) VALUES ('stripe', 'test', ${ago(days)}, true, 'failed', ${ago(days)},
        ${ago(days)}) RETURNING id AS key`),
  },
  {
    ...{ purge: "forgetSandboxDocuments", table: "sandbox_documents", key: "id", days: 400 },
    make: (days) =>
      add(`INSERT INTO ducat.sandbox_documents (id, document, version, changed_at) VALUES
        ('${randomUUID()}', '{"kind": "payment"}', 1, ${ago(days)}) RETURNING id AS key`),
  },
  {
    ...{ purge: "forgetAuditLines", table: "audit_logs", key: "id", days: 400 },
    make: (days) =>
      add(`INSERT INTO ducat.audit_logs (id, actor, action, metadata, created_at) VALUES
        (ducat.uuid_at(${ago(days)}), 'test', 'test', '{}', ${ago(days)}) RETURNING id AS key`),
  },
  {
    ...{ purge: "forgetEvents", table: "outbox", key: "id", days: 31 },
    make: async (days) =>
      add(`INSERT INTO ducat.outbox (account_id, id, type, data, created_at) VALUES
        ('${await account()}', ducat.uuid_at(${ago(days)}), 'credits.granted', '{}', ${ago(days)})
        RETURNING id AS key`),
  },
  {
    ...{ purge: "forgetMessages", table: "messages", key: "id", days: 90 },
    make: async (days) => makeMessage(await account(), days, "sent"),
  },
  {
    ...{ purge: "forgetMessages", table: "messages", key: "id", days: 1 },
    make: (days) => makeMessage("00000000-0000-0000-0000-000000000000", days, "skipped"),
  },
  {
    ...{ purge: "forgetClockRuns", table: "clock_runs", key: "id", days: 30 },
    make: async (days) =>
      add(`INSERT INTO ducat.clock_runs (account_id, id, key, fingerprint, seconds, done_at,
        created_at) VALUES ('${await account()}', ducat.uuid_at(${ago(days)}), 'k', '', 1,
        ${ago(days)}, ${ago(days)}) RETURNING id AS key`),
  },
  {
    ...{ purge: "forgetSessions", table: "sessions", key: "id", days: 30 },
    make: async (days) =>
      add(`INSERT INTO ducat.sessions (id, login_id, account_id, expires_at) VALUES
        ('${randomUUID()}', '${await login()}', '${await account()}', ${ago(days)})
        RETURNING id AS key`),
  },
];

const makeMessage = (accountId: string, days: number, status: string) =>
  add(`INSERT INTO ducat.messages (account_id, id, kind, channel, data, effect_key, status,
    due_at, created_at) VALUES ('${accountId}', ducat.uuid_at(${ago(days)}), 'x', 'sms', '{}',
    '${randomUUID()}', '${status}', ${status === "pending" ? ago(days) : "NULL"}, ${ago(days)})
    RETURNING id AS key`);

async function isThere({ table, key }: Case, value: string) {
  const rows = await database.admin.unsafe(`SELECT FROM ducat.${table} WHERE ${key}::text = $1`, [
    value,
  ]);
  return rows.length === 1;
}

/** Runs a purge to its end, `limit` rows at a time. Returns how many rows each batch removed. */
async function run(kind: Kind, limit = 1_000): Promise<number[]> {
  const batches: number[] = [];
  let after: string | null = null;
  for (let isFull = true; isFull; ) {
    const batch: { removed: number; isFull: boolean; next?: string | null } =
      kind in walks
        ? await walks[kind as keyof typeof walks](database.worker, { after, limit })
        : await purges[kind as keyof typeof purges](database.worker, limit);
    batches.push(batch.removed);
    isFull = batch.isFull;
    after = batch.next ?? null;
    if (batches.length > 100) throw new Error("it comes to no end");
  }
  return batches;
}
const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);

describe.each(cases)("$purge of $table", (one) => {
  it("removes what is old enough and nothing younger, in as many batches as it takes", async () => {
    await run(one.purge);
    const old = [];
    for (let n = 0; n < 5; n += 1) old.push(await one.make(one.days + minute + n / 10));
    const young = await one.make(one.days - minute);
    const batches = await run(one.purge, 2);
    expect(sum(batches)).toBe(5);
    expect(Math.max(...batches)).toBeLessThanOrEqual(2);
    for (const key of old) expect(await isThere(one, key)).toBe(false);
    expect(await isThere(one, young)).toBe(true);
    expect(sum(await run(one.purge))).toBe(0);
  });
});

it("keeps messages that wait for a sender, sessions that go on, moves that are not done", async () => {
  const pending = await makeMessage(await account(), 400, "pending");
  const open = await add(`INSERT INTO ducat.sessions (id, login_id, account_id, created_at,
    expires_at) VALUES ('${randomUUID()}', '${await login()}', '${await account()}', ${ago(400)},
    ${ago(-1)}) RETURNING id AS key`);
  const move = await add(`INSERT INTO ducat.clock_runs (account_id, id, key, fingerprint, seconds,
    created_at) VALUES ('${await account()}', ducat.uuid_at(${ago(400)}), 'k', '', 1, ${ago(400)})
    RETURNING id AS key`);
  for (const walk of Object.keys(walks)) await run(walk as Kind);
  const at = (table: string, key: string) => isThere({ table, key: "id" } as Case, key);
  expect(await at("messages", pending)).toBe(true);
  expect(await at("sessions", open)).toBe(true);
  expect(await at("clock_runs", move)).toBe(true);
});

it("the tokens of a session go with it", async () => {
  const [id, hash] = [randomUUID(), `'\\x${hex()}'`];
  await add(`INSERT INTO ducat.sessions (id, login_id, account_id, expires_at, ended_at) VALUES
    ('${id}', '${await login()}', '${await account()}', ${ago(-1)}, ${ago(31)})`);
  await add(`INSERT INTO ducat.session_tokens (session_id, generation, access_hash, refresh_hash,
    access_expires_at) VALUES ('${id}', 1, ${hash}, ${hash}, ${ago(60)})`);
  await run("forgetSessions");
  const left = await database.admin`SELECT FROM ducat.session_tokens WHERE session_id = ${id}`;
  expect(left).toHaveLength(0);
});

it("the newest good reconciliation stays, however old: the next begins where it began", async () => {
  const make = (days: number) =>
    add(`INSERT INTO ducat.reconciliations (provider, mode, since, is_gapless, status, started_at,
      finished_at) VALUES ('zarinpal', 'test', ${ago(days)}, true, 'clean', ${ago(days)},
      ${ago(days)}) RETURNING id AS key`);
  const [older, newest] = [await make(300), await make(200)];
  await run("forgetReconciliations");
  const at = (key: string) => isThere({ table: "reconciliations", key: "id" } as Case, key);
  expect([await at(older), await at(newest)]).toEqual([false, true]);
});

it("what one account has goes in as many batches as it takes, before the next one's", async () => {
  const ids = [await account(), await account()].sort();
  for (const id of ids) {
    await database.admin`
      INSERT INTO ducat.outbox (account_id, id, type, data, created_at)
      SELECT ${id}, ducat.uuid_at(at + make_interval(secs => n)), 'credits.granted', '{}', at
      FROM (VALUES (clock_timestamp() - interval '40 days')) AS v (at), generate_series(1, 5) n`;
  }
  expect((await run("forgetEvents", 2)).filter((count) => count > 0)).toEqual([2, 2, 2, 2, 2]);
  const left = await database.admin`
    SELECT FROM ducat.outbox
    WHERE account_id = ANY (${ids}::uuid[]) AND created_at < now() - interval '31 days'`;
  expect(left).toHaveLength(0);
});

describe("audit lines", () => {
  const lines = cases.find(({ table }) => table === "audit_logs") as Case;
  const setDays = (days: unknown) => database.admin`
    INSERT INTO ducat.admin_config (key, value)
    VALUES ('audit_retention_days', ${database.admin.json(days as number)})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`;

  it("go as the setting says, never within 90 days, and leave a line that says so", async () => {
    await run("forgetAuditLines");
    const [old, young] = [await lines.make(91), await lines.make(89)];
    await run("forgetAuditLines");
    expect(await isThere(lines, old)).toBe(true);
    for (const odd of ["soon", { days: 1 }]) {
      await setDays(odd);
      await run("forgetAuditLines");
      expect(await isThere(lines, old)).toBe(true);
    }
    await setDays(1);
    await run("forgetAuditLines");
    expect([await isThere(lines, old), await isThere(lines, young)]).toEqual([false, true]);
    const [said] = await database.admin`
      SELECT actor, metadata FROM ducat.audit_logs WHERE action = 'audit_log.forget'
      ORDER BY id DESC LIMIT 1`;
    expect(said).toEqual({ actor: "system", metadata: { lines: expect.any(Number), days: 90 } });
    await database.admin`DELETE FROM ducat.admin_config WHERE key = 'audit_retention_days'`;
  });

  it("can't be removed or changed in any other way, whoever asks", async () => {
    const old = await lines.make(200);
    const young = await lines.make(1);
    const { admin, worker } = database;
    const only = /append-only/;
    await expect(admin`DELETE FROM ducat.audit_logs WHERE id = ${old}`).rejects.toThrow(only);
    await expect(worker`DELETE FROM ducat.audit_logs`).rejects.toThrow("permission denied");
    const pretend = admin.begin(async (sql) => {
      await sql`SELECT set_config('ducat.forgets_audit', 'on', true)`;
      await sql`DELETE FROM ducat.audit_logs WHERE id = ${young}`;
    });
    await expect(pretend).rejects.toThrow(only);
    const rewrite = admin.begin(async (sql) => {
      await sql`SELECT set_config('ducat.forgets_audit', 'on', true)`;
      await sql`UPDATE ducat.audit_logs SET actor = 'x' WHERE id = ${old}`;
    });
    await expect(rewrite).rejects.toThrow(only);
  });
});
