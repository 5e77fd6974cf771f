import postgres from "postgres";
import { expect, it, onTestFinished } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { makeRandom } from "../test/parallel.ts";
import { emit, relayAll } from "../test/relay.ts";
import { useDatabase } from "../test/use-database.ts";
import type { Db } from "./connect.ts";
import { readAccountStream, relayEvents } from "./events.ts";

const database = useDatabase();
const writerCount = 4;
const steps = 180;

/** A transaction that somebody holds open, and what it has written so far. */
type Writer = {
  sql: postgres.ReservedSql;
  open: { accountId: string; note: string }[] | undefined;
};

async function openWriters(): Promise<Writer[]> {
  const pool = postgres(database.url, { max: writerCount, onnotice: () => {} });
  onTestFinished(() => pool.end({ timeout: 1 }));
  return Promise.all(
    Array.from({ length: writerCount }, async () => ({
      sql: await pool.reserve(),
      open: undefined,
    })),
  );
}

/** Reads an account from where it is, `limit` events at once. */
function createReader(accountId: string) {
  const notes: string[] = [];
  const seqs: number[] = [];
  return {
    accountId,
    notes,
    seqs,
    async read(limit: number) {
      const from = { seq: seqs.at(-1) ?? 0, ledgerSeq: -1, limit };
      const { events } = await readAccountStream(database.app, accountId, from);
      for (const { seq, data } of events) {
        seqs.push(seq);
        notes.push(String(data.note ?? ""));
      }
      return events.length;
    },
  };
}

it.each([1, 2])("no reader misses or repeats an event, whoever commits when (%i)", async (seed) => {
  const random = makeRandom(seed);
  const accounts = [await makeAccount(database.app), await makeAccount(database.app)];
  const ids = accounts.map(({ id }) => id);
  const readers = [...ids, ...ids].map(createReader);
  const committed = new Map<string, string[][]>(ids.map((id) => [id, []]));
  const writers = await openWriters();
  const pick = <T>(of: readonly T[]) => of[random(of.length)] as T;

  const end = async (writer: Writer, isKept: boolean) => {
    await (isKept ? writer.sql`COMMIT` : writer.sql`ROLLBACK`);
    for (const id of isKept ? ids : []) {
      const notes = writer.open?.filter(({ accountId }) => accountId === id);
      committed.get(id)?.push((notes ?? []).map(({ note }) => note));
    }
    writer.open = undefined;
  };
  const write = async (writer: Writer, note: string) => {
    if (!writer.open) await writer.sql`BEGIN`;
    writer.open ??= [];
    const accountId = pick(ids);
    await emit(writer.sql as unknown as Db, accountId, note);
    writer.open.push({ accountId, note });
  };
  for (let n = 0; n < steps; n++) {
    const act = random(10);
    const writer = pick(writers);
    if (act < 5) await write(writer, `${n}`);
    else if (act < 7 && writer.open) await end(writer, random(5) > 0);
    else if (act < 9) await relayEvents(database.worker, { limit: 1 + random(6) });
    else await pick(readers).read(1 + random(4));
  }
  for (const writer of writers) if (writer.open) await end(writer, true);
  await relayAll(database.worker);
  for (const reader of readers) {
    while ((await reader.read(100)) > 0);
    // The first is that of the account's trial.
    const [, ...notes] = reader.notes;
    const groups = committed.get(reader.accountId) ?? [];
    expect([...notes].sort()).toEqual(groups.flat().sort());
    expect(reader.seqs).toEqual(reader.notes.map((_, n) => n + 1));
    // What one transaction wrote stays in its order.
    for (const group of groups) {
      expect(notes.filter((note) => group.includes(note))).toEqual(group);
    }
  }
});
