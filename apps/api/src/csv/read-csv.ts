/** A line of a file, or several where a cell has line ends in it. */
export type CsvRecord = {
  /** Where it begins, from 1. */
  line: number;
} & ({ cells: string[] } | { fault: CsvFault });
export type CsvFault = "quotes" | "too_long";

export type Delimiter = "," | ";" | "\t";
const delimiters: Delimiter[] = [",", ";", "\t"];
/** What bad records may have read behind their first lines, in characters beyond the text's own. */
const mostReadAgain = 2 * 1024 * 1024;

/** What separates the cells of the first line; a comma where nothing does. */
export function findDelimiter(text: string): Delimiter {
  const [first = ""] = text.slice(0, 64 * 1024).split(/\r?\n|\r/, 1);
  // What stands in quotes separates nothing.
  const bare = first.replace(/"(?:[^"]|"")*"/g, "");
  const count = (delimiter: Delimiter) => bare.split(delimiter).length;
  return delimiters.reduce((best, one) => (count(one) > count(best) ? one : best));
}

/**
 * The records of a CSV (RFC 4180, also with LF or CR alone) without its empty lines, one at a time.
 * A formula is a text as any other. A record that is too long or wrongly quoted costs its first
 * line only, so that one stray quote doesn't swallow the rows behind it. Where that would have the
 * same lines read over and over, a bad record costs all that was read of it.
 */
export function* readCsv(
  text: string,
  { delimiter, mostLength }: { delimiter: Delimiter; mostLength: number },
): Generator<CsvRecord, void> {
  const end = text.includes("\n") ? "\n" : "\r";
  let line = 1;
  let at = 0;
  const most = text.length + mostReadAgain;
  let readAgain = 0;
  while (at < text.length) {
    const read = readRecord(text, at, { delimiter, end, mostLength });
    let { next } = read;
    if ("fault" in read) {
      yield { line, fault: read.fault };
      const nextLine = findLine(text, at, end);
      readAgain += Math.max(0, next - nextLine);
      next = readAgain <= most ? nextLine : findLine(text, Math.max(next - 1, at), end);
    } else if (read.cells.some((cell) => cell.trim() !== "")) {
      yield { line, cells: read.cells };
    }
    line += countEnds(text, { from: at, to: next, end });
    at = next;
  }
}

/** Where the next line begins; the end of the text where there is none. */
function findLine(text: string, from: number, end: string): number {
  const found = text.indexOf(end, from);
  return found < 0 ? text.length : found + 1;
}

type Form = { delimiter: Delimiter; end: string; mostLength: number };
/** `next`: where the next record begins; of a bad one, how far it was read at least. */
type Read = { next: number } & ({ cells: string[] } | { fault: CsvFault });

function readRecord(text: string, start: number, form: Form): Read {
  const cells: string[] = [];
  let at = start;
  for (;;) {
    const cell = text[at] === '"' ? readQuoted(text, at, form) : readBare(text, at, form);
    if (typeof cell === "string") return { fault: cell, next: at };
    cells.push(cell.value);
    at = cell.next;
    if (at - start > form.mostLength) return { fault: "too_long", next: at };
    if (text[at] !== form.delimiter) return { cells, next: Math.min(at + 1, text.length) };
    at += 1;
  }
}

type Cell = { value: string; next: number } | CsvFault;

/** A quote within it is a character as any other, as spreadsheets read it. */
function readBare(text: string, start: number, { delimiter, end, mostLength }: Form): Cell {
  let at = start;
  while (at < text.length && text[at] !== delimiter && text[at] !== end) {
    at += 1;
    if (at - start > mostLength) return "too_long";
  }
  const value = text.slice(start, at);
  return {
    value: text[at] !== delimiter && value.endsWith("\r") ? value.slice(0, -1) : value,
    next: at,
  };
}

function readQuoted(text: string, start: number, { delimiter, end, mostLength }: Form): Cell {
  let at = start + 1;
  for (;;) {
    at = text.indexOf('"', at);
    if (at < 0) return "quotes";
    if (at - start > mostLength) return "too_long";
    if (text[at + 1] !== '"') break;
    at += 2;
  }
  const value = text.slice(start + 1, at).replaceAll('""', '"');
  const next = text[at + 1] === "\r" && text[at + 2] === end ? at + 2 : at + 1;
  const follows = text[next];
  const isOver = follows === undefined || follows === delimiter || follows === end;
  return isOver ? { value, next } : "quotes";
}

function countEnds(text: string, { from, to, end }: { from: number; to: number; end: string }) {
  let count = 0;
  for (let at = text.indexOf(end, from); at >= 0 && at < to; at = text.indexOf(end, at + 1)) {
    count += 1;
  }
  return count;
}
