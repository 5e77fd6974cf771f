import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/**
 * A list that is read newest first, slice by slice, so that no statement looks at more rows than a
 * slice has, however few of them a filter fits. A position is a text; what is before it is older.
 */
export type SlicedList<T> = {
  /** The rows between two positions (`floor` is one of them), `limit` of them at most. */
  read(slice: {
    before: string | undefined;
    floor: string | undefined;
    limit: number;
  }): Promise<T[]>;
  /**
   * Where the slice of about `rows` rows ends that begins before a position; undefined: the list
   * does. Left out where an index finds what fits: then all of the list is one slice.
   */
  findFloor?(before: string | undefined, rows: number): Promise<string | undefined>;
  positionOf(row: T): string;
};

/** What one page looks at, at most. */
const slicesOfPage = 20;
const rowsOfSlice = 10_000;
/** What an export has in memory at once. */
const rowsOfChunk = 1_000;

/**
 * Up to `limit` rows and where to go on; `next` is undefined when there is nothing more. A page
 * whose filter fits one row in ten thousand may be short, even empty, and not be the last.
 */
export async function readPage<T>(
  list: SlicedList<T>,
  { before, limit }: { before: string | undefined; limit: number },
): Promise<{ rows: T[]; next: string | undefined }> {
  const rows: T[] = [];
  let position = before;
  for (let slice = 0; slice < slicesOfPage; slice++) {
    const floor = await list.findFloor?.(position, rowsOfSlice);
    const wanted = limit + 1 - rows.length;
    rows.push(...(await list.read({ before: position, floor, limit: wanted })));
    const last = rows[limit - 1];
    if (rows.length > limit && last) {
      return { rows: rows.slice(0, limit), next: list.positionOf(last) };
    }
    position = floor;
    if (floor === undefined) break;
  }
  return { rows, next: position };
}

/**
 * All rows of a list, a chunk at a time: the next is read when the one before it was taken, and no
 * connection or snapshot is held meanwhile. What comes into the list later than the first chunk is
 * newer than all that is still to be read, and so is not in it. Chunks may be empty.
 */
export async function* readAll<T>(list: SlicedList<T>): AsyncGenerator<T[], void> {
  let position: string | undefined;
  for (;;) {
    const floor: string | undefined = await list.findFloor?.(position, rowsOfChunk);
    const rows: T[] = await list.read({ before: position, floor, limit: rowsOfChunk });
    yield rows;
    const last = rows.at(-1);
    // Full: there may be more of the slice.
    if (rows.length === rowsOfChunk && last !== undefined) position = list.positionOf(last);
    else if (floor === undefined) return;
    else position = floor;
  }
}

/** Where a slice ends of a list over all accounts whose ids sort by creation. For admins. */
export async function findSliceFloor(
  db: Db,
  list: "accounts" | "payments" | "webhook_events" | "webhook_deliveries",
  { before, rows }: { before: string | undefined; rows: number },
): Promise<string | undefined> {
  const [row] = await ask(db<{ id: string | null }[]>`
    SELECT ducat.find_slice_floor(${list}, ${before ?? null}, ${rows}) AS id`);
  return row?.id ?? undefined;
}
