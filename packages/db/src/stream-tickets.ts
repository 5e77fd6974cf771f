import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** Who acts for an account: whom an audit line would name, and in which session. */
export type StreamCaller = { accountId: string; actor: string; sessionId: string | undefined };

export type StreamTicket = StreamCaller & {
  /** The only generation whose stream it opens; undefined: any stream of the account's. */
  generationId: string | undefined;
  scopes: string[];
  /** When the credential ends that it was asked for with; undefined: as its owner says. */
  endsAt: Date | undefined;
};

/**
 * Keeps a ticket by its hash for so many seconds. Returns when it expires; undefined when who asks
 * may not act for the account any more. Errors: not_found (generation).
 */
export async function makeStreamTicket(
  db: Db,
  ticket: StreamTicket & { hash: Buffer; seconds: number },
): Promise<Date | undefined> {
  const { accountId, hash, generationId, actor, sessionId, scopes, endsAt, seconds } = ticket;
  const caller = { actor, session_id: sessionId ?? null, scopes, ends_at: endsAt ?? null };
  const [row] = await ask(db<{ expires: Date | null }[]>`
    SELECT ducat.make_stream_ticket(${accountId}, ${hash}, ${generationId ?? null},
      ${JSON.stringify(caller)}::text::jsonb, ${seconds}) AS expires`);
  return row?.expires ?? undefined;
}

/** Takes a ticket, once; undefined when it opens nothing. */
export async function takeStreamTicket(db: Db, hash: Buffer): Promise<StreamTicket | undefined> {
  type Row = {
    account_id: string;
    generation_id: string | null;
    actor: string;
    session_id: string | null;
    scopes: string[];
    ends_at: string | null;
  };
  const [row] = await ask(db<{ ticket: Row | null }[]>`
    SELECT ducat.take_stream_ticket(${hash}) AS ticket`);
  if (!row?.ticket) return undefined;
  const { account_id, generation_id, actor, session_id, scopes, ends_at } = row.ticket;
  return {
    accountId: account_id,
    generationId: generation_id ?? undefined,
    ...{ actor, sessionId: session_id ?? undefined, scopes },
    endsAt: ends_at === null ? undefined : new Date(ends_at),
  };
}

/** Those of the callers who may not act for their account any more. One query for all. */
export async function listEndedCallers<T extends StreamCaller>(
  db: Db,
  callers: readonly T[],
): Promise<T[]> {
  if (callers.length === 0) return [];
  const rows = await ask(db<{ place: number }[]>`
    SELECT ducat.list_ended_callers(${callers.map(({ accountId }) => accountId)}::uuid[],
      ${callers.map(({ actor }) => actor)}::text[],
      ${callers.map(({ sessionId }) => sessionId ?? null)}::uuid[]) AS place`);
  return rows.flatMap(({ place }) => callers[place - 1] ?? []);
}
