import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { emit, relayAll } from "../test/relay.ts";
import { useDatabase } from "../test/use-database.ts";
import type { Db } from "./connect.ts";
import { listEvents, readEventBacklog, readHeads, relayEvents } from "./events.ts";

const database = useDatabase();

const listAll = async (accountId: string, after?: string) =>
  (await listEvents(database.app, accountId, { after, limit: 100 })).events;
const notesOf = (events: { data: Record<string, unknown> }[]) =>
  events.map(({ data }) => data.note);

/** An account whose first event, that of its trial, is numbered. */
async function makeTold() {
  const { id } = await makeAccount(database.app);
  await relayAll(database.worker);
  return id;
}

describe("relay_events", () => {
  it("numbers each account's events from 1 in the order of their ids, and says whose", async () => {
    const [one, two] = await Promise.all([makeAccount(database.app), makeAccount(database.app)]);
    expect(await relayAll(database.worker)).toEqual(expect.arrayContaining([one.id, two.id]));
    for (let n = 0; n < 3; n++) {
      await emit(database.admin, one.id, n);
      await emit(database.admin, two.id, n);
    }
    expect((await relayAll(database.worker)).sort()).toEqual([one.id, two.id].sort());
    for (const { id } of [one, two]) {
      const [trial, ...rest] = await listAll(id);
      expect(trial).toMatchObject({ seq: 1, type: "credits.granted" });
      expect(trial?.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(rest.map(({ seq }) => seq)).toEqual([2, 3, 4]);
      expect(notesOf(rest)).toEqual(["0", "1", "2"]);
    }
  });

  it("numbers what commits late after what was there before it", async () => {
    const id = await makeTold();
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let written = () => {};
    const isWritten = new Promise<void>((resolve) => {
      written = resolve;
    });
    const late = database.admin.begin(async (sql) => {
      await emit(sql as unknown as Db, id, "late");
      written();
      await released;
    });
    await isWritten;
    await emit(database.admin, id, "soon");
    await relayAll(database.worker);
    const [, first] = await listAll(id);
    expect(first?.data).toEqual({ note: "soon" });
    release();
    await late;
    await relayAll(database.worker);
    expect(notesOf(await listAll(id, first?.id))).toEqual(["late"]);
  });

  it("takes as many as it is told, and leaves the rest to the next call", async () => {
    const id = await makeTold();
    for (let n = 0; n < 5; n++) await emit(database.admin, id, n);
    const relay = (limit: number) => relayEvents(database.worker, { limit });
    expect(await relay(3)).toEqual({ isBusy: false, relayed: 3, accounts: [id] });
    expect(await readEventBacklog(database.app)).toMatchObject({ waiting: 2 });
    expect(await relay(3)).toMatchObject({ relayed: 2 });
    expect(await relay(3)).toEqual({ isBusy: false, relayed: 0, accounts: [] });
    expect(await readEventBacklog(database.app)).toEqual({ waiting: 0, oldestSeconds: 0 });
    expect(notesOf((await listAll(id)).slice(1))).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("does nothing while another process is at it", async () => {
    const id = await makeTold();
    await emit(database.admin, id, "waits");
    await database.admin.begin(async (sql) => {
      await sql`SELECT ducat.relay_events(0)`;
      const other = await relayEvents(database.worker, { limit: 500 });
      expect(other).toEqual({ isBusy: true, relayed: 0, accounts: [] });
    });
    await relayAll(database.worker);
    expect(await listAll(id)).toHaveLength(2);
  });

  it("gives no number twice to callers that come together", async () => {
    const id = await makeTold();
    const writing = Array.from({ length: 60 }, (_, n) => emit(database.admin, id, n));
    const relaying = Array.from({ length: 30 }, () => relayEvents(database.worker, { limit: 7 }));
    await Promise.all([...writing, ...relaying]);
    await relayAll(database.worker);
    const events = await listAll(id);
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 61 }, (_, n) => n + 1));
    expect(new Set(notesOf(events)).size).toBe(61);
  });

  it("waits for nobody who is at an event, and numbers that one later", async () => {
    const id = await makeTold();
    await emit(database.admin, id, "held");
    await emit(database.admin, id, "free");
    await database.admin.begin(async (sql) => {
      await sql`
        UPDATE ducat.outbox SET data = data
        WHERE account_id = ${id} AND data ->> 'note' = 'held'`;
      expect(await relayEvents(database.worker, { limit: 9 })).toMatchObject({ relayed: 1 });
    });
    await relayAll(database.worker);
    expect(notesOf((await listAll(id)).slice(1))).toEqual(["free", "held"]);
  });

  it("gives back what it has begun when it is cut off", async () => {
    const id = await makeTold();
    await emit(database.admin, id, "kept");
    await database.admin
      .begin(async (sql) => {
        await sql`SELECT ducat.relay_events()`;
        throw new Error("cut off");
      })
      .catch(() => {});
    await relayAll(database.worker);
    expect((await listAll(id)).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it("leaves events alone that are older than numbers are", async () => {
    const id = await makeTold();
    await database.admin`
      INSERT INTO ducat.outbox (account_id, type, data, seq)
      VALUES (${id}, 'credits.low', '{}', 0)`;
    expect(await relayEvents(database.worker, { limit: 9 })).toMatchObject({ relayed: 0 });
    expect(await listAll(id)).toHaveLength(1);
  });
});

describe("list_events", () => {
  it("turns pages in the order of the numbers", async () => {
    const id = await makeTold();
    for (let n = 0; n < 5; n++) await emit(database.admin, id, n);
    await relayAll(database.worker);
    const first = await listEvents(database.app, id, { limit: 4 });
    expect(first.events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    expect(first.next).toBe(first.events[3]?.id);
    const last = await listEvents(database.app, id, { after: first.next, limit: 2 });
    expect(last.events.map(({ seq }) => seq)).toEqual([5, 6]);
    expect(last.next).toBeUndefined();
    const none = await listEvents(database.app, id, { after: last.events[1]?.id, limit: 2 });
    expect(none).toEqual({ events: [], next: undefined });
  });

  it("finds rare types without looking at more than a bounded number of others", async () => {
    const id = await makeTold();
    await database.admin`
      INSERT INTO ducat.outbox (account_id, type, data, seq)
      SELECT ${id}, CASE n WHEN 12000 THEN 'credits.low' ELSE 'webhook.test' END, '{}', n
      FROM generate_series(2, 12500) n`;
    await database.admin`UPDATE ducat.event_heads SET seq = 12500 WHERE account_id = ${id}`;
    // An old one that was committed late is forgotten before its neighbours.
    await database.admin`DELETE FROM ducat.outbox WHERE account_id = ${id} AND seq = 10000`;
    const filter = { types: ["credits.low"], limit: 10 };
    const first = await listEvents(database.app, id, filter);
    expect(first.events).toEqual([]);
    const second = await listEvents(database.app, id, { ...filter, after: first.next });
    expect(second.events).toMatchObject([{ seq: 12_000, type: "credits.low" }]);
    expect(second.next).toBeUndefined();
  });

  it("begins where the oldest event is that is kept", async () => {
    const id = await makeTold();
    await database.admin`
      INSERT INTO ducat.outbox (account_id, type, data, seq)
      VALUES (${id}, 'webhook.test', '{}', 50000), (${id}, 'webhook.test', '{}', 50001)`;
    await database.admin`DELETE FROM ducat.outbox WHERE account_id = ${id} AND seq = 1`;
    const types = ["webhook.test"];
    const { events, next } = await listEvents(database.app, id, { types, limit: 10 });
    expect(events.map(({ seq }) => seq)).toEqual([50_000, 50_001]);
    expect(next).toBeUndefined();
  });

  it("knows neither another account's event nor one that is not there", async () => {
    const [id, other] = [await makeTold(), await makeTold()];
    const [theirs] = await listAll(other);
    for (const after of [theirs?.id, randomUUID()]) {
      const asked = listEvents(database.app, id, { after, limit: 10 });
      await expect(asked).rejects.toMatchObject({
        code: "not_found",
        detail: { extra: { what: "event" } },
      });
    }
  });
});

describe("read_heads", () => {
  it("says where each account is, and leaves out those that are not there", async () => {
    const [one, two] = [await makeTold(), await makeTold()];
    await makeGeneration(database.app, two);
    const heads = await readHeads(database.app, [one, two, randomUUID(), one]);
    expect(heads.sort((a, b) => a.ledgerSeq - b.ledgerSeq)).toEqual([
      { accountId: one, seq: 1, ledgerSeq: 1, isRunning: false },
      { accountId: two, seq: 1, ledgerSeq: 2, isRunning: false },
    ]);
  });
});
