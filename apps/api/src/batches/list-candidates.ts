import { maxRowLength, maxRows } from "@ducat/types/batches";
import type { StyleInputs } from "@ducat/types/style-inputs";
import { decodeText } from "../csv/decode-text.ts";
import { type Columns, mapColumns } from "../csv/map-columns.ts";
import { type CsvRecord, findDelimiter, readCsv } from "../csv/read-csv.ts";
import { refuseAt } from "../problem.ts";
import { parseCell } from "./parse-cell.ts";
import type { AskedBatch, Candidate } from "./read-batch.ts";

export type ListedRows = {
  candidates: Iterable<Candidate>;
  /** Of a file: what each column was taken for. */
  columns?: Columns["told"];
};

const faults = {
  quotes: { code: "malformed_row", message: "Its quotes don't match." },
  too_long: { code: "row_too_large", message: `A row has at most ${maxRowLength} characters.` },
} as const;

/**
 * The rows of a batch as they came, one at a time; `inputs` are the params that its style takes.
 * Errors: validation_failed (a file that is none, a header or mapping that can't be followed; while
 * they are read: too many rows).
 */
export function listCandidates(asked: AskedBatch, inputs?: StyleInputs): ListedRows {
  if ("rows" in asked) {
    return { candidates: asked.rows.map((value, at) => ({ line: at + 1, value })) };
  }
  const text = decodeText(asked.file);
  const delimiter = findDelimiter(text);
  const records = readCsv(text, { delimiter, mostLength: maxRowLength });
  const first = records.next().value;
  if (!first) throw refuseAt("/file", "There is nothing in it.");
  if ("fault" in first) throw refuseAt("/file", `Its header: ${faults[first.fault].message}`);
  const params = Object.keys(inputs?.properties ?? {});
  const takesOthers = !inputs || inputs.additionalProperties === true;
  const columns = mapColumns(first.cells, { mapping: asked.mapping, params, takesOthers });
  const candidates = toCandidates(records, { members: columns.members, inputs });
  return { candidates, columns: columns.told };
}

type Reading = { members: Columns["members"]; inputs: StyleInputs | undefined };

function* toCandidates(records: Iterable<CsvRecord>, reading: Reading): Generator<Candidate, void> {
  let count = 0;
  for (const record of records) {
    count += 1;
    if (count > maxRows) throw refuseAt("/file", `At most ${maxRows} rows.`);
    yield toCandidate(record, reading);
  }
}

function toCandidate(record: CsvRecord, reading: Reading): Candidate {
  const { members } = reading;
  const { line } = record;
  if ("fault" in record) return { line, ...faults[record.fault] };
  const { cells } = record;
  // Empty ones behind the last are what spreadsheets leave there.
  const filled = cells.findLastIndex((cell) => cell.trim() !== "") + 1;
  if (cells.length < members.length || filled > members.length) {
    const message = `It has ${cells.length} cells, and the header ${members.length}.`;
    return { line, code: "malformed_row", message };
  }
  return { line, value: toValue(cells, reading) };
}

/** The row as JSON would have it. An empty cell is one that isn't there. */
function toValue(cells: string[], { members, inputs }: Reading): unknown {
  const row: Record<string, unknown> = {};
  const input: Record<string, unknown> = {};
  for (const [at, member] of members.entries()) {
    const cell = cells[at]?.trim() ?? "";
    if (member === null || cell === "") continue;
    if (member === "label") row.label = cell;
    else if (member.startsWith("params.")) {
      const [name = "", inner] = member.split(".").slice(1);
      const type = Object.entries(inputs?.properties ?? {}).find(([own]) => own === name)?.[1].type;
      setParam(row, { name, inner }, inner === undefined ? parseCell(name, cell, type) : cell);
    } else {
      input.type = types[member];
      input[member] = cell;
    }
  }
  return Object.keys(input).length > 0 ? { ...row, input } : row;
}

const types: Record<string, string> = {
  prompt: "text",
  photo_url: "photo",
  photo_id: "photo",
  address: "address",
};

type Param = { name: string; inner: string | undefined };

function setParam(row: Record<string, unknown>, { name, inner }: Param, value: unknown): void {
  const params = { ...(row.params as Record<string, unknown> | undefined) };
  const before = params[name];
  const object = typeof before === "object" && before !== null ? before : {};
  params[name] = inner === undefined ? value : { ...object, [inner]: value };
  row.params = params;
}
