/**
 * The cells of a CSV as a strict reader of RFC 4180 sees them: CRLF after every line, quotes only
 * around a whole cell and doubled within. Throws at anything else.
 */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    const [cell, end] = text[at] === '"' ? readQuoted(text, at) : readPlain(text, at);
    row.push(cell);
    at = end;
    if (text[at] === ",") {
      at += 1;
      if (at === text.length) throw new Error("the last line does not end");
    } else if (text.startsWith("\r\n", at)) {
      rows.push(row);
      row = [];
      at += 2;
    } else {
      throw new Error(`a cell of line ${rows.length + 1} ends with ${JSON.stringify(text[at])}`);
    }
  }
  return rows;
}

function readQuoted(text: string, start: number): [string, number] {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new Error("a quote is never closed");
    if (text[quote + 1] !== '"') {
      return [text.slice(start + 1, quote).replaceAll('""', '"'), quote + 1];
    }
    at = quote + 2;
  }
}

function readPlain(text: string, start: number): [string, number] {
  let at = start;
  while (at < text.length && text[at] !== "," && text[at] !== "\r") {
    if (text[at] === '"' || text[at] === "\n") throw new Error(`a bare quote or line feed: ${at}`);
    at += 1;
  }
  return [text.slice(start, at), at];
}

/** The rows of a CSV by the names of its header. */
export function readCsv(text: string): Record<string, string>[] {
  const [header = [], ...rows] = parseCsv(text);
  return rows.map((row) => {
    if (row.length !== header.length) throw new Error(`a row has ${row.length} cells`);
    return Object.fromEntries(header.map((name, at) => [name, row[at] ?? ""]));
  });
}
