import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claim, complete, fail } from "../test/work.ts";
import type { Db } from "./connect.ts";
import {
  listEvents,
  readAccountStream,
  readEventBacklog,
  readHeads,
  relayEvents,
} from "./events.ts";

const database = useDatabase();

async function relayAll(): Promise<string[]> {
  const accounts: string[] = [];
  for (;;) {
    const done = await relayEvents(database.worker, { limit: 500 });
    if (!done.isBusy && done.relayed === 0) return [...new Set(accounts)];
    accounts.push(...done.accounts);
  }
}

const emit = (sql: Db, accountId: string, note: unknown = 1) => sql`
  INSERT INTO ducat.outbox (account_id, type, data)
  VALUES (${accountId}, 'webhook.test', ${sql.json({ note } as never)})`;

async function readAll(accountId: string, after = 0) {
  const from = { seq: after, ledgerSeq: -1, limit: 100 };
  return (await readAccountStream(database.app, accountId, from)).events;
}

describe("relay_events", () => {
  it("numbers each account's events from 1 in the order of their ids", async () => {
    const [one, two] = await Promise.all([makeAccount(database.app), makeAccount(database.app)]);
    await makeGeneration(database.app, one.id);
    const told = await relayAll();
    expect(told).toEqual(expect.arrayContaining([one.id, two.id]));
    for (let n = 0; n < 3; n++) {
      await emit(database.admin, one.id, n);
      await emit(database.admin, two.id, n);
    }
    expect((await relayAll()).sort()).toEqual([one.id, two.id].sort());
    for (const { id } of [one, two]) {
      const events = await readAll(id);
      expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
      expect(events.map(({ type }) => type)).toEqual([
        "credits.granted",
        ...Array(3).fill("webhook.test"),
      ]);
      expect(events.slice(1).map(({ data }) => data["note"])).toEqual([0, 1, 2]);
    }
  });
});
