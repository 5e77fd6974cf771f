import { readAll, type SlicedList } from "@ducat/db/slices";
import { DomainError } from "@ducat/types/errors";
import { stringify } from "csv-stringify/sync";
import type { Context, TypedResponse } from "hono";
import type { Logger } from "pino";
import type { AppEnv } from "../deps.ts";
import { streamText } from "../stream-text.ts";
import { guardText } from "./guard-text.ts";

/** What a cell may hold. Anything but a text, a number, a truth or a time is written as JSON. */
export type Cell = unknown;
/** The header's names in their order, each with what stands below it. */
export type Columns<T> = Record<string, (row: T) => Cell>;

export type CsvFile<T> = {
  /** Of the file, without its ending: letters and hyphens, never anything of a caller's. */
  name: string;
  columns: Columns<T>;
  /** The rows, a chunk at a time; see chunksOf. */
  chunks: AsyncGenerator<readonly T[], void>;
  /** Whose it is; left out: an admin's, about everybody. */
  accountId?: string | undefined;
  /** Begin with a byte order mark, which some spreadsheets need to see UTF-8. */
  bom?: boolean | undefined;
};

export type Csv = {
  /**
   * Answers with a CSV (RFC 4180) that is read from the database as fast as the caller takes it.
   * Errors before the first byte: those of the first chunk, rate_limited (the account has one
   * running), unavailable (too many at once). What goes wrong later breaks the connection off.
   */
  stream<T>(c: Context<AppEnv>, file: CsvFile<T>): Promise<CsvResponse>;
  /** The same for a file of another form. */
  streamFile(c: Context<AppEnv>, file: StreamedFile): Promise<CsvResponse>;
};

export type StreamedFile = {
  /** With its ending. As of a CSV. */
  name: string;
  type: string;
  /** What it consists of. The first is waited for before anything is answered. */
  parts: AsyncGenerator<string | Uint8Array, void>;
  accountId: string;
  /** How long it may take, in milliseconds; left out: ten minutes. */
  lifeMs?: number;
};

/** As far as types go it fits the description of a route that answers JSON too. */
type CsvResponse = Response & TypedResponse<never, 200, "json">;
const asCsv = (response: Response) => response as CsvResponse;

const mostOfAdmins = 2;
const mostOfAccounts = 4;

/** Streams of CSV: few per process at a time, and one per account. */
export function createCsv({ log }: { log: Logger }): Csv {
  const admins = new Set<symbol>();
  const accounts = new Set<string>();
  const take = (accountId: string | undefined): (() => void) => {
    if (accountId === undefined) return takeOf(admins, Symbol("export"), mostOfAdmins);
    if (accounts.has(accountId)) throw new DomainError("rate_limited");
    return takeOf(accounts, accountId, mostOfAccounts);
  };
  type Answer = Omit<StreamedFile, "accountId"> & { accountId: string | undefined };
  /** `state` counts rows where the file has some, and tells its writer of the end. */
  const answer = async (c: Context<AppEnv>, file: Answer, state: State) => {
    const headers = {
      "content-type": file.type,
      "content-disposition": `attachment; filename="${file.name}"`,
    };
    // HEAD is answered by this handler too, and nobody would read its stream.
    if (c.req.raw.method === "HEAD") return asCsv(c.body(null, 200, headers));
    const release = take(file.accountId);
    const startedAt = performance.now();
    const told = { req_id: c.var.requestId, file: file.name, account: file.accountId };
    const onEnd = (error?: unknown) => {
      state.isOver = true;
      release();
      const line = { ...told, rows: state.rows, ms: Math.round(performance.now() - startedAt) };
      if (error === undefined) log.info(line, "an export ended");
      else log.warn({ ...line, err: error }, "an export broke off");
    };
    try {
      const first = await file.parts.next();
      const parts = startWith(first, file.parts);
      const life = file.lifeMs === undefined ? {} : { lifeMs: file.lifeMs };
      const body = streamText(parts, { onEnd, outgoing: c.env?.outgoing, ...life });
      return asCsv(c.body(body, 200, headers));
    } catch (error) {
      release();
      throw error;
    }
  };
  return {
    async stream(c, file) {
      const state = { isOver: false, rows: 0 };
      const type = "text/csv; charset=utf-8; header=present";
      const parts = writeFile(file, state);
      const { accountId } = file;
      return await answer(c, { name: `${file.name}.csv`, type, parts, accountId }, state);
    },
    streamFile: (c, file) => answer(c, file, { isOver: false, rows: 0 }),
  };
}

async function* startWith<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  try {
    if (first.done) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}

function takeOf<T>(running: Set<T>, one: T, most: number): () => void {
  if (running.size >= most) {
    throw new DomainError("unavailable", {
      ...{ detail: "Too many exports at once.", extra: { reason: "busy" } },
    });
  }
  running.add(one);
  return () => running.delete(one);
}

/** The chunks of a list as they are shown. */
export async function* chunksOf<T, S>(
  list: SlicedList<T>,
  show: (rows: T[]) => S[] | Promise<S[]>,
): AsyncGenerator<S[], void> {
  for await (const rows of readAll(list)) yield rows.length > 0 ? await show(rows) : [];
}

type State = { isOver: boolean; rows: number };

async function* writeFile<T>(
  { columns, chunks, bom }: CsvFile<T>,
  state: State,
): AsyncGenerator<string, void> {
  // Before anything is answered: what fails here is refused as anything else is.
  let next = await chunks.next();
  yield (bom ? "\ufeff" : "") + writeRows([Object.keys(columns)]);
  const cells = Object.values(columns);
  try {
    // A filter may fit nothing for long, and its reader be gone meanwhile.
    while (!next.done && !state.isOver) {
      const rows = next.value;
      state.rows += rows.length;
      if (rows.length > 0) yield writeRows(rows.map((row) => cells.map((cell) => cell(row))));
      next = await chunks.next();
    }
  } finally {
    await chunks.return();
  }
}

/** Lines of CSV, each with its end. */
export function writeRows(rows: Cell[][]): string {
  return stringify(
    rows.map((row) => row.map(writeCell)),
    // Where it is told the end of a line, it would leave other line ends in a cell unquoted.
    { record_delimiter: "\r\n", quote_record_delimiter: true, escape_formulas: true },
  );
}

/** Numbers stay numbers, also where they begin with a minus; nothing is an empty cell. */
function writeCell(cell: Cell): string | number {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number") return cell;
  if (typeof cell === "string") return guardText(cell);
  if (typeof cell === "boolean") return String(cell);
  if (cell instanceof Date) return cell.toISOString();
  return guardText(JSON.stringify(cell));
}
