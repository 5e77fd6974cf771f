import type { EventType } from "@ducat/types/events";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Item, Status } from "./generations.ts";

/** An event of an account's, with its number there: 1, 2, 3 … in the order in which it is told. */
export type StoredEvent = {
  seq: number;
  id: string;
  type: EventType;
  /** RFC 3339, UTC, milliseconds. */
  created_at: string;
  data: Record<string, unknown>;
};

/**
 * Gives committed events their numbers, `limit` at most (500), and plans what webhooks hear of
 * them. `accounts`: whose they are. `isBusy`: another process is at it, and nothing was done.
 */
export async function relayEvents(
  db: Db,
  { limit }: { limit: number },
): Promise<{ isBusy: boolean; relayed: number; accounts: string[] }> {
  const [row] = await ask(db<{ isBusy: boolean; relayed: number; accounts: string[] }[]>`
    SELECT is_busy AS "isBusy", relayed, accounts FROM ducat.relay_events(${limit})`);
  if (!row) throw new Error("relay_events returned no row");
  return row;
}

/** How many events wait for their number (up to 10,000), and for how many seconds the first. */
export async function readEventBacklog(
  db: Db,
): Promise<{ waiting: number; oldestSeconds: number }> {
  const [row] = await ask(db<{ waiting: number; oldestSeconds: number }[]>`
    SELECT waiting, "oldestSeconds" FROM ducat.read_event_backlog()`);
  return row ?? { waiting: 0, oldestSeconds: 0 };
}

/**
 * An account's events after one of them, 100 at most, in the order of their numbers. `next` is the
 * id to go on after, undefined when there are no more now; with rare types a page may be short or
 * empty and have a next one. Errors: not_found {what: event} (none of the account's that is kept).
 */
export async function listEvents(
  db: Db,
  accountId: string,
  filter: { after?: string | undefined; types?: readonly string[] | undefined; limit: number },
): Promise<{ events: StoredEvent[]; next: string | undefined }> {
  const [row] = await ask(db<{ events: StoredEvent[]; next: string | null }[]>`
    SELECT events, next_id AS next FROM ducat.list_events(${accountId},
      ${filter.after ?? null}::uuid, ${filter.types ? [...filter.types] : null}::text[],
      ${filter.limit})`);
  return { events: row?.events ?? [], next: row?.next ?? undefined };
}

export type Head = {
  accountId: string;
  /** Of the last event; 0: none yet. */
  seq: number;
  /** Of the ledger's last line. */
  ledgerSeq: number;
  isRunning: boolean;
};

/**
 * Where each of these accounts is (5,000 at most, unknown ones are left out): nothing of it moved
 * and nothing is being worked on means that its streams have nothing to read.
 */
export async function readHeads(db: Db, accountIds: readonly string[]): Promise<Head[]> {
  return ask(db<Head[]>`
    SELECT "accountId", seq, "ledgerSeq", "isRunning"
    FROM ducat.read_heads(${[...accountIds]}::uuid[])`);
}

/** What a reader has of an item in work: `tail` is the last 12 digits of the item's id. */
export type SeenItem = { tail: string; attempt: number; chars: number };

/** An item that is worked on. Lengths and offsets are counted in code points. */
export type LiveItem = {
  item_id: string;
  generation_id: string;
  position: number;
  label: string | null;
  attempt: number;
  /** From 0 to 1, as the provider says it; null: it has not. */
  fraction: number | null;
  /** How long its text is by now. */
  chars: number;
  /** What is new of it to the reader, and where that begins; absent: nothing. */
  offset?: number;
  text?: string;
};

/** The balance in short, as GET /v1/credits/balance has it, after line `seq` of the ledger. */
export type ShortBalance = {
  available: number;
  trial_credits: number;
  token_balance: number;
  held: number;
  debt: number;
  seq: number;
};

export type AccountSlice = {
  events: StoredEvent[];
  /** Absent while it is as the reader saw it. */
  balance?: ShortBalance;
  /** What is set aside, with holds that are over and not yet booked so. */
  held: number;
  /** 100 items at most. */
  live: LiveItem[];
  /** There is more than fits: read on at once. */
  hasMore: boolean;
};

/**
 * What an account's stream tells next: `limit` events at most (100) after number `seq`, the
 * balance where the ledger is not at `ledgerSeq` any more or what is set aside is not `held`, and
 * what is new of the work beyond `seen`. One snapshot.
 */
export async function readAccountStream(
  db: Db,
  accountId: string,
  from: {
    seq: number;
    ledgerSeq: number;
    held?: number | undefined;
    limit: number;
    seen?: readonly SeenItem[] | undefined;
  },
): Promise<AccountSlice> {
  type Row = Omit<AccountSlice, "balance"> & { balance: ShortBalance | null };
  const [row] = await ask(db<Row[]>`
    SELECT events, balance, held, live, has_more AS "hasMore"
    FROM ducat.read_account_stream(${accountId}, ${from.seq}, ${from.ledgerSeq}, ${from.limit},
      ${JSON.stringify(from.seen ?? [])}::text::jsonb, ${from.held ?? null})`);
  if (!row) throw new Error("read_account_stream returned no row");
  const { balance, ...slice } = row;
  return balance ? { ...slice, balance } : slice;
}

export type EndedItem = Item & {
  /** The how-manieth of its generation to end, from 1. */
  ended_no: number;
};

export type GenerationSlice = {
  items: EndedItem[];
  live: LiveItem[];
  /** There is more than fits: read on at once. */
  hasMore: boolean;
  status: Status;
  item_count: number;
  /** 0: it has ended, and `endedNo` reaches item_count. */
  open_items: number;
  failed_items: number;
  canceled_items: number;
};

/**
 * What a generation's stream tells next: `limit` items at most (100) that ended after the
 * `endedNo`-th, in that order, and what is new of the work beyond `seen`; undefined when the
 * account has no such one, or it was deleted. One snapshot.
 */
export async function readGenerationStream(
  db: Db,
  accountId: string,
  from: {
    generationId: string;
    endedNo: number;
    limit: number;
    seen?: readonly SeenItem[] | undefined;
  },
): Promise<GenerationSlice | undefined> {
  const [row] = await ask(db<GenerationSlice[]>`
    SELECT items, live, has_more AS "hasMore", status, item_count, open_items, failed_items,
      canceled_items
    FROM ducat.read_generation_stream(${accountId}, ${from.generationId}, ${from.endedNo},
      ${from.limit}, ${JSON.stringify(from.seen ?? [])}::text::jsonb)`);
  return row;
}
