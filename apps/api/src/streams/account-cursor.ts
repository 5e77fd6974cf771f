import type { Db } from "@ducat/db/connect";
import { type AccountSlice, readAccountStream, readHeads } from "@ducat/db/events";
import { DomainError } from "@ducat/types/errors";
import { type Cursor, listSeen, sliceRows } from "./cursor.ts";
import { type StreamEvent, tellLive } from "./live-events.ts";
import { type AccountPosition, writeAccountPosition } from "./position.ts";

/** Half of what is read first: most events are small, and nobody knows it of these. */
const firstRows = 4;
/** Before the first line of any ledger: the balance is told first. */
const beforeLedger = -1;

/**
 * Where a stream of an account begins: at `from`, else where the account is now. Nobody is further
 * than that, but for those who come from before a backup was restored. Errors: not_found.
 */
export async function findAccountPlace(
  db: Db,
  accountId: string,
  from: AccountPosition | undefined,
): Promise<AccountPosition> {
  const [head] = await readHeads(db, [accountId]);
  if (!head) throw new DomainError("not_found");
  const { seq } = head;
  if (!from) return { seq, balance: undefined, seen: new Map() };
  return { ...from, seq: Math.min(from.seq, seq) };
}

/** All that happens to an account: its events, its balance, and the work that goes on. */
export function createAccountCursor(db: Db, accountId: string, from: AccountPosition): Cursor {
  const at = { ...from };
  /** As many events fit lately, and as many of those that were read are not told. */
  let limit = firstRows;
  let untold = 0;

  function* tellBalance({ balance, held }: AccountSlice): Generator<StreamEvent> {
    if (!balance) return;
    at.balance = { ledgerSeq: balance.seq, held };
    yield ["balance", balance];
  }
  function* tell(slice: AccountSlice): Generator<StreamEvent> {
    // Who comes for the first time is told where they are before anything else.
    const isFirst = at.balance === undefined;
    if (isFirst) yield* tellBalance(slice);
    untold = slice.events.length;
    for (const { seq, ...event } of slice.events) {
      at.seq = seq;
      untold -= 1;
      const { id, type, created_at, data } = event;
      yield [type, { id, type, created_at, account_id: accountId, data }];
    }
    if (!isFirst) yield* tellBalance(slice);
    yield* tellLive(slice.live, at.seen);
  }

  return {
    async read() {
      // What did not fit is not read again and again.
      limit = untold > 0 ? Math.max(1, limit - untold) : Math.min(limit * 2, sliceRows);
      const slice = await readAccountStream(db, accountId, {
        ...{ seq: at.seq, ledgerSeq: beforeLedger, ...at.balance },
        ...{ limit, seen: listSeen(at.seen) },
      });
      return { events: tell(slice), hasMore: slice.hasMore, isLast: false };
    },
    position: () => writeAccountPosition(at),
  };
}
