import { readPage, type SlicedList } from "@ducat/db/slices";
import type { Context } from "hono";
import { prefersCsv } from "./csv/prefers-csv.ts";
import { type Columns, chunksOf } from "./csv/stream-csv.ts";
import { type Kind, makeCursor, readCursor } from "./cursor.ts";
import type { AppEnv, Deps } from "./deps.ts";

type Answered<T, S> = {
  list: SlicedList<T>;
  show: (rows: T[]) => S[] | Promise<S[]>;
  /** What the list's cursors are of. */
  kind: Kind;
  query: { cursor?: string | undefined; limit: number; bom?: "true" | "false" | undefined };
  /** As a file. */
  name: string;
  columns: Columns<S>;
  /** Whose list it is; left out: everybody's, for an admin. */
  accountId?: string;
  /** How many there are on all pages, where that was asked for. */
  count?: (() => Promise<number>) | undefined;
};

/**
 * A page of a list as JSON, or all of the list as CSV where the request's Accept prefers that.
 * Errors: validation_failed (no cursor of this list), and those of Csv.stream.
 */
export async function answerList<T, S>(
  c: Context<AppEnv>,
  { csv }: Pick<Deps, "csv">,
  { list, show, kind, query, name, columns, accountId, count }: Answered<T, S>,
) {
  if (prefersCsv(c)) {
    const chunks = chunksOf(list, show);
    return await csv.stream(c, { name, columns, chunks, accountId, bom: query.bom === "true" });
  }
  const before = readCursor(kind, query.cursor);
  const [{ rows, next }, total] = await Promise.all([
    readPage(list, { before, limit: query.limit }),
    count?.(),
  ]);
  const next_cursor = next === undefined ? null : makeCursor(kind, next);
  const page = { data: await show(rows), next_cursor };
  return c.json({ ...page, ...(total !== undefined && { total }) }, 200);
}
