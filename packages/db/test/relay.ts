import type { Db } from "../src/connect.ts";
import { relayEvents } from "../src/events.ts";

/** Numbers all events that are committed, as workers do; whose they were. */
export async function relayAll(worker: Db): Promise<string[]> {
  const accounts = new Set<string>();
  for (;;) {
    const done = await relayEvents(worker, { limit: 500 });
    for (const id of done.accounts) accounts.add(id);
    if (!done.isBusy && done.relayed === 0) return [...accounts];
  }
}

/** An event that only says `note`. */
export const emit = (sql: Db, accountId: string, note: number | string) => sql`
  INSERT INTO ducat.outbox (account_id, type, data)
  VALUES (${accountId}, 'webhook.test', jsonb_build_object('note', ${String(note)}::text))`;
