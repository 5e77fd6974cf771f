import { Event } from "../../types/src/events.ts";
import type { Db } from "../src/connect.ts";

/** Throws when an event was written otherwise than its contract says. */
export async function assertEvents(admin: Db): Promise<void> {
  const rows = await admin<{ type: string; data: unknown; created_at: Date }[]>`
    SELECT account_id, id, type, data, created_at FROM ducat.outbox`;
  const faults = rows.flatMap((row) => {
    const read = Event.safeParse({ ...row, created_at: row.created_at.toISOString() });
    return read.success ? [] : [`${row.type} ${JSON.stringify(row.data)}: ${read.error.message}`];
  });
  if (faults.length > 0) throw new Error(faults.slice(0, 20).join("\n"));
}
