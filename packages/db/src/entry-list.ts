import type { Db } from "./connect.ts";
import { type Entry, listEntries } from "./credits.ts";
import type { EntryFilter } from "./entry-filter.ts";
import type { SlicedList } from "./slices.ts";
import { withAccount } from "./with-account.ts";

/** An account's ledger, for pages and exports. Its lines are numbered: slices cost nothing. */
export function listLedger(db: Db, accountId: string, filter: EntryFilter): SlicedList<Entry> {
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return {
    read: ({ before, floor, limit }) => {
      const slice = { beforeSeq: toSeq(before), floorSeq: toSeq(floor), limit };
      return listEntries(db, accountId, { ...filter, ...slice });
    },
    positionOf: ({ seq }) => String(seq),
    ...(isFiltered && {
      async findFloor(before, rows) {
        const top = toSeq(before) ?? (await findLastSeq(db, accountId)) + 1;
        return top - rows > 1 ? String(top - rows) : undefined;
      },
    }),
  };
}

const toSeq = (position: string | undefined) =>
  position === undefined ? undefined : Number(position);

async function findLastSeq(db: Db, accountId: string): Promise<number> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ seq: number }[]>`
      SELECT seq FROM ducat.credit_accounts WHERE account_id = ${accountId}`,
  );
  return row?.seq ?? 0;
}
