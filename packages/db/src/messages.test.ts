import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { useDatabase } from "../test/use-database.ts";
import { createAccount, type NewAccount } from "./accounts.ts";
import type { Db } from "./connect.ts";
import { claimMessages, recordMessage } from "./messages.ts";
import { withAccount } from "./with-account.ts";

const database = useDatabase();
beforeEach(() => database.admin`DELETE FROM ducat.messages`);

const data = { payment_id: "p" };

async function makePerson(more: Partial<NewAccount> = {}) {
  const name = randomUUID();
  const email = `${name}@example.com`;
  const { account } = await createAccount(database.app, {
    external_id: name,
    kind: "user",
    email,
    ...more,
  });
  return account;
}

type Queued = { accountId: string; key?: string; kind?: string; data?: unknown };

async function queueMessage(
  { accountId, key = randomUUID(), kind = "receipt", ...more }: Queued,
  db: Db = database.admin,
): Promise<boolean> {
  const given = JSON.stringify(more.data ?? data);
  const [row] = await db<{ queued: boolean }[]>`
    SELECT ducat.queue_message(${accountId}, ${kind}, ${given}::text::jsonb, ${key}) AS queued`;
  return row?.queued ?? false;
}

const listRows = (accountId: string) => database.admin<
  { channel: string; status: string; attempts: number; last_error: string | null; wait: number }[]
>`
  SELECT channel, status, attempts, last_error,
    extract(epoch FROM due_at - clock_timestamp())::float8 AS wait
  FROM ducat.messages WHERE account_id = ${accountId} ORDER BY created_at`;

const claim = (more: Partial<{ channel: "email" | "sms"; limit: number; leaseSeconds: number }>) =>
  claimMessages(database.worker, { channel: "email", limit: 10, leaseSeconds: 60, ...more });

const makeDue = () => database.admin`
  UPDATE ducat.messages SET due_at = clock_timestamp() WHERE due_at IS NOT NULL`;

describe("queue_message", () => {
  it("writes by e-mail where there is an address, else by SMS, else not at all", async () => {
    const both = await makePerson({ phone: "+989120000001" });
    const phone = await makePerson({ email: undefined, phone: "+989120000002" });
    const neither = await makePerson({ email: undefined });
    for (const { id } of [both, phone, neither]) await queueMessage({ accountId: id });
    expect(await listRows(both.id)).toMatchObject([{ channel: "email", status: "pending" }]);
    expect(await listRows(phone.id)).toMatchObject([{ channel: "sms", status: "pending" }]);
    expect(await listRows(neither.id)).toEqual([]);
    expect(await queueMessage({ accountId: randomUUID() })).toBe(false);
  });

  it("writes once per effect key, also when the address has changed its kind", async () => {
    const { id } = await makePerson({ phone: "+989120000003" });
    const other = await makePerson();
    const calls = Array.from({ length: 8 }, () => queueMessage({ accountId: id, key: "k" }));
    expect((await Promise.all(calls)).filter(Boolean)).toHaveLength(1);
    await database.admin`UPDATE ducat.accounts SET email = NULL WHERE id = ${id}`;
    expect(await queueMessage({ accountId: id, key: "k" })).toBe(false);
    expect(await listRows(id)).toHaveLength(1);
    expect(await queueMessage({ accountId: other.id, key: "k" })).toBe(true);
  });

  it("goes with its transaction", async () => {
    const { id } = await makePerson();
    const undone = database.admin.begin(async (sql) => {
      await queueMessage({ accountId: id }, sql as unknown as Db);
      throw new Error("undone");
    });
    await expect(undone).rejects.toThrow("undone");
    expect(await listRows(id)).toEqual([]);
  });

  it("keeps a message with far too much data as failed, and the transaction goes on", async () => {
    const { id } = await makePerson();
    await queueMessage({ accountId: id, data: { product: "x".repeat(20_000) } });
    const [row] = await listRows(id);
    expect(row).toMatchObject({ status: "failed", last_error: "the data had 20015 bytes" });
    const kept = await database.admin`SELECT data FROM ducat.messages WHERE account_id = ${id}`;
    expect(kept).toEqual([{ data: {} }]);
    expect(await claim({})).toEqual([]);
  });

  it("refuses what only a programming error sends", async () => {
    const { id: accountId } = await makePerson();
    const refused = expect.objectContaining({ code: "DU007" });
    await expect(queueMessage({ accountId, kind: "" })).rejects.toThrow(refused);
    await expect(queueMessage({ accountId, kind: "x".repeat(65) })).rejects.toThrow(refused);
    await expect(queueMessage({ accountId, key: "" })).rejects.toThrow(refused);
    await expect(queueMessage({ accountId, key: "x".repeat(301) })).rejects.toThrow(refused);
    await expect(queueMessage({ accountId, data: [] })).rejects.toThrow(refused);
  });

  it("waits for no one who has locked the account", async () => {
    const { id } = await makePerson();
    await database.admin.begin(async (sql) => {
      await sql`SELECT FROM ducat.accounts WHERE id = ${id} FOR UPDATE`;
      await sql`SELECT FROM ducat.credit_accounts WHERE account_id = ${id} FOR UPDATE`;
      expect(await queueMessage({ accountId: id })).toBe(true);
    });
  });

  it("is for the owner's functions alone", async () => {
    const { id } = await makePerson();
    for (const db of [database.app, database.worker]) {
      await expect(queueMessage({ accountId: id }, db)).rejects.toThrow("permission denied");
    }
  });
});

describe("claim_messages", () => {
  it("tells whom to write what, and in which language", async () => {
    const person = await makePerson({ name: "Sara", locale: "fa" });
    await queueMessage({ accountId: person.id, data: { amount: 1_000_000_000_000 } });
    expect(await claim({ channel: "sms" })).toEqual([]);
    expect(await claim({})).toEqual([
      {
        accountId: person.id,
        id: expect.any(String),
        attempt: 1,
        kind: "receipt",
        data: { amount: 1_000_000_000_000 },
        recipient: person.email,
        name: "Sara",
        locale: "fa",
      },
    ]);
  });

  it("gives each message to one of many workers", async () => {
    const { id } = await makePerson();
    for (let n = 0; n < 30; n++) await queueMessage({ accountId: id });
    const rounds = await Promise.all(Array.from({ length: 8 }, () => claim({ limit: 4 })));
    const claimed = rounds.flat().map((message) => message.id);
    expect(rounds.every((round) => round.length <= 4)).toBe(true);
    expect(new Set(claimed).size).toBe(claimed.length);
    for (let rest = await claim({}); rest.length > 0; rest = await claim({})) {
      claimed.push(...rest.map((message) => message.id));
    }
    expect(new Set(claimed).size).toBe(30);
    expect(claimed).toHaveLength(30);
  });

  it("takes again what a lost worker had, when its lease is over", async () => {
    const { id } = await makePerson();
    await queueMessage({ accountId: id });
    const [first] = await claim({});
    expect(await claim({})).toEqual([]);
    await makeDue();
    expect(await claim({})).toEqual([{ ...first, attempt: 2 }]);
  });

  it("writes to the address that the account has now, and ends when it has none", async () => {
    const person = await makePerson();
    await queueMessage({ accountId: person.id });
    await queueMessage({ accountId: person.id });
    const recipient = `moved-${person.email}`;
    await database.admin`UPDATE ducat.accounts SET email = ${recipient} WHERE id = ${person.id}`;
    expect(await claim({ limit: 1 })).toMatchObject([{ recipient }]);
    await database.admin`UPDATE ducat.accounts SET email = NULL WHERE id = ${person.id}`;
    await makeDue();
    expect(await claim({})).toEqual([]);
    const ended = { status: "skipped", wait: null };
    expect(await listRows(person.id)).toMatchObject([ended, ended]);
  });

  it("gives up a message that 18 workers took and were lost with", async () => {
    const { id } = await makePerson();
    await queueMessage({ accountId: id });
    await database.admin`UPDATE ducat.messages SET attempts = 17`;
    expect(await claim({ leaseSeconds: 0 })).toMatchObject([{ attempt: 18 }]);
    expect(await claim({ leaseSeconds: 0 })).toEqual([]);
    expect(await listRows(id)).toMatchObject([{ status: "failed", attempts: 18, wait: null }]);
  });
});

describe("record_message", () => {
  const claimOne = async () => {
    const { id } = await makePerson();
    await queueMessage({ accountId: id });
    const [message] = await claim({});
    return message!;
  };

  it("ends a message once", async () => {
    const sent = await claimOne();
    expect(await recordMessage(database.worker, sent, { outcome: "sent" })).toBe("sent");
    const late = { outcome: "failed", error: "too late" } as const;
    expect(await recordMessage(database.worker, sent, late)).toBeUndefined();
    const refused = await claimOne();
    const error = `${"x".repeat(600)}`;
    await recordMessage(database.worker, refused, { outcome: "failed", error });
    await makeDue();
    expect(await claim({})).toEqual([]);
    expect(await listRows(sent.accountId)).toMatchObject([{ status: "sent", last_error: null }]);
    const [row] = await listRows(refused.accountId);
    expect(row).toMatchObject({ status: "failed", last_error: "x".repeat(500) });
  });

  it("tries again later and later, and gives up after 18 attempts", async () => {
    const message = await claimOne();
    const retry = { outcome: "retry", error: "421" } as const;
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 17; attempt++) {
      expect(await recordMessage(database.worker, { ...message, attempt }, retry)).toBe("pending");
      const [row] = await listRows(message.accountId);
      waits.push(row?.wait ?? 0);
      await makeDue();
      expect(await claim({})).toMatchObject([{ attempt: attempt + 1 }]);
    }
    waits.forEach((wait, index) => {
      const middle = Math.min(30 * 2 ** index, 21_600);
      expect(wait).toBeGreaterThan(middle * 0.75 - 10);
      expect(wait).toBeLessThan(middle * 1.25);
    });
    const last = { ...message, attempt: 18 };
    expect(await recordMessage(database.worker, last, retry)).toBe("failed");
    expect(await listRows(message.accountId)).toMatchObject([{ last_error: "421", wait: null }]);
  });

  it("writes nothing for a worker whose lease was over", async () => {
    const message = await claimOne();
    await makeDue();
    await claim({});
    expect(await recordMessage(database.worker, message, { outcome: "sent" })).toBeUndefined();
    expect(await listRows(message.accountId)).toMatchObject([{ status: "pending", attempts: 2 }]);
  });
});

it("an account sees its own messages only, and nobody claims them as the API", async () => {
  const [mine, theirs] = [await makePerson(), await makePerson()];
  await queueMessage({ accountId: theirs.id });
  const [message] = await claim({});
  const read = (id: string) =>
    withAccount(database.app, id, (sql) => sql`SELECT FROM ducat.messages`);
  expect(await read(mine.id)).toHaveLength(0);
  expect(await read(theirs.id)).toHaveLength(1);
  const stolen = { ...message!, accountId: mine.id };
  expect(await recordMessage(database.worker, stolen, { outcome: "sent" })).toBeUndefined();
  expect(await listRows(theirs.id)).toMatchObject([{ status: "pending" }]);
  const asApi = claimMessages(database.app, { channel: "email", limit: 1, leaseSeconds: 1 });
  await expect(asApi).rejects.toThrow("permission denied");
});
