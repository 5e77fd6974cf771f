import postgres from "postgres";
import { expect, vi } from "vitest";
import type { Db } from "../src/connect.ts";

export type Held = {
  /** Waits until somebody's write has come here. */
  reached(): Promise<void>;
  /** Ends the sessions that wait: what they were about to write is never written. */
  endWaiting(): Promise<void>;
  /** Lets everybody on, also those whose client is gone. */
  release(): Promise<void>;
};

let keys = 0;

/**
 * Makes a write to a table stop just before it happens, so that a process can be killed there. A
 * real statement in a real transaction waits; nothing of the code under test knows of it.
 */
export async function holdWrites(
  { admin, url }: { admin: Db; url: string },
  write: { table: string; on: "INSERT" | "UPDATE"; when: string },
): Promise<Held> {
  keys += 1;
  const key = 7_000_000 + keys;
  const holder = postgres(url, { max: 1, onnotice: () => undefined });
  await holder`SELECT pg_advisory_lock(${key}::bigint)`;
  await admin.unsafe(`
    CREATE FUNCTION ducat.hold_${key}() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(${key}); RETURN NEW; END';
    CREATE TRIGGER hold_${key} BEFORE ${write.on} ON ${write.table} FOR EACH ROW
    WHEN (${write.when}) EXECUTE FUNCTION ducat.hold_${key}()`);
  const waiting = () => admin<{ pid: number }[]>`
    SELECT pid FROM pg_locks
    WHERE locktype = 'advisory' AND objid = ${key} AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  const untilNone = () => vi.waitFor(async () => expect(await waiting()).toEqual([]), 10_000);
  return {
    async reached() {
      await vi.waitFor(async () => expect(await waiting()).not.toEqual([]), {
        timeout: 20_000,
        interval: 20,
      });
    },
    async endWaiting() {
      // Who waited for the first one's row comes here when that one has ended.
      const end = async () => {
        const found = await waiting();
        for (const { pid } of found) await admin`SELECT pg_terminate_backend(${pid})`;
        expect(found).toEqual([]);
      };
      await vi.waitFor(end, { timeout: 10_000, interval: 20 });
    },
    async release() {
      await holder.end({ timeout: 1 });
      await untilNone();
      await admin.unsafe(`DROP TRIGGER hold_${key} ON ${write.table};
        DROP FUNCTION ducat.hold_${key}`);
    },
  };
}
