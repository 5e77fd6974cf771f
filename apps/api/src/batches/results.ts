import type { RowItem as Row } from "@ducat/db/batches";
import { listItems } from "@ducat/db/batches";
import { readAll } from "@ducat/db/slices";
import type { RowError, RowItem } from "@ducat/types/batches";
import { type Columns, chunksOf, writeRows } from "../csv/stream-csv.ts";
import type { Deps } from "../deps.ts";
import { showRowItem } from "./show-batch.ts";
import type { ZipEntry } from "./write-zip.ts";

type ResultDeps = Pick<Deps, "db" | "blobs" | "urlSigner">;
export type AskedResults = Parameters<typeof listItems>[2];

// As in csv/columns.ts: new ones at the end.
export const resultColumns: Columns<RowItem> = {
  position: (item) => item.position,
  line: (item) => item.line,
  label: (item) => item.label,
  status: (item) => item.status,
  text: ({ output }) => (output && "text" in output ? output.text : null),
  url: ({ output }) => pictureOf(output)?.url,
  type: ({ output }) => pictureOf(output)?.type,
  width: ({ output }) => pictureOf(output)?.width,
  height: ({ output }) => pictureOf(output)?.height,
  error_code: (item) => item.error?.code,
  error_message: (item) => item.error?.message,
  cost: (item) => item.cost,
  refunded: (item) => item.refunded,
  completed_at: (item) => item.completed_at,
  id: (item) => item.id,
  generation_id: (item) => item.generation_id,
};

const pictureOf = (output: RowItem["output"]) => (output && "url" in output ? output : null);

export const errorColumns: Columns<RowError> = {
  line: (row) => row.line,
  pointer: (row) => row.pointer,
  code: (row) => row.code,
  message: (row) => row.message,
};

/** The items as they are shown, a chunk at a time. */
export const chunksOfResults = (
  { db, urlSigner }: ResultDeps,
  accountId: string,
  asked: AskedResults,
): AsyncGenerator<RowItem[], void> =>
  chunksOf(listItems(db, accountId, asked), (rows) =>
    rows.map((row) => showRowItem(row, urlSigner)),
  );

/** One JSON document, {data: […]}. */
export async function* writeJson(
  chunks: AsyncGenerator<RowItem[], void>,
): AsyncGenerator<string, void> {
  let isFirst = true;
  for await (const items of chunks) {
    const text = items.map((item) => JSON.stringify(item)).join(",\n");
    if (text !== "") {
      yield `${isFirst ? '{"data":[' : ","}\n${text}`;
      isFirst = false;
    }
  }
  yield isFirst ? '{"data":[]}\n' : "\n]}\n";
}

/**
 * A file for each item that has a result, and manifest.csv, which says of every item what it is
 * called there. A file that went because of its age is left out.
 */
export async function* listEntries(
  { db, blobs }: ResultDeps,
  accountId: string,
  asked: AskedResults,
): AsyncGenerator<ZipEntry, void> {
  const encoder = new TextEncoder();
  const manifest: Uint8Array[] = [encoder.encode(writeRows([manifestNames]))];
  for await (const rows of readAll(listItems(db, accountId, asked))) {
    for (const row of rows) {
      const file = await readResult(blobs, row);
      manifest.push(encoder.encode(writeRows([toManifest(row, file?.name)])));
      if (file) yield file;
    }
  }
  yield { name: "manifest.csv", bytes: Buffer.concat(manifest) };
}

const manifestNames = [
  ...["position", "line", "label", "status", "file", "error_code", "error_message"],
  ...["cost", "refunded", "id"],
];

const toManifest = (row: Row, file: string | undefined) => [
  ...[row.position, row.line, row.label, row.status, file, row.error_code, row.error_message],
  ...[row.cost, row.refunded, row.id],
];

async function readResult(
  blobs: ResultDeps["blobs"],
  { position, label, output }: Row,
): Promise<ZipEntry | undefined> {
  const name = nameFile(position, label);
  if (!output) return undefined;
  if (output.kind === "text") return { name: `${name}.txt`, bytes: Buffer.from(output.text) };
  const blob = await blobs.read(output.key);
  return blob && { name: `${name}.${output.key.split(".").at(-1)}`, bytes: blob.stream };
}

/** By its place, so that no two are the same; of the label what every system takes. */
function nameFile(position: number, label: string | null): string {
  const words = (label ?? "").normalize("NFC").replace(/[^\p{L}\p{M}\p{N}]+/gu, "-");
  const slug = words.replace(/^-+|-+$/g, "").slice(0, 40);
  const number = String(position + 1).padStart(5, "0");
  return slug === "" ? number : `${number}-${slug}`;
}
