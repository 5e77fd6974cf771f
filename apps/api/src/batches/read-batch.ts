import { createHash } from "node:crypto";
import { BatchOptions, FileOptions, maxRows, type RowError } from "@ducat/types/batches";
import { DomainError } from "@ducat/types/errors";
import type { Context } from "hono";
import { assertType, readBytes } from "../body.ts";
import type { AppEnv } from "../deps.ts";
import { refuseAt, refuseInvalid } from "../problem.ts";
import { BadJson, parseStrictJson } from "../strict-json.ts";
import { readForm } from "./read-form.ts";

const bodyBytes = 16 * 1024 * 1024;
const json = /application\/json(?:\s*;\s*charset="?utf-8"?)?/;
const csv = /text\/csv(?:\s*;[^,]*)?/;
const form = /multipart\/form-data\s*;.*/;
const types = new RegExp(`^(?:${json.source}|${csv.source}|${form.source})$`, "i");

/** A row as it came: a value to be checked, or what makes it none. */
export type Candidate = { line: number } & (
  | { value: unknown }
  | Pick<RowError, "code" | "message">
);

/** What was asked for; a file is still bytes, as what its columns mean depends on the style. */
export type AskedBatch = {
  options: BatchOptions;
} & ({ rows: unknown[] } | { file: Buffer; mapping: FileOptions["mapping"] });

/**
 * Reads a batch: JSON, a CSV with its options in the query, or a form with both. What a fingerprint
 * is made of goes into `c.var.sent`. Errors: malformed_body, payload_too_large,
 * unsupported_media_type, validation_failed.
 */
export async function readBatch(c: Context<AppEnv>): Promise<AskedBatch> {
  const type = assertType(c, types);
  const isCsv = /^text\/csv/i.test(type);
  const bytes = await readBytes(c, bodyBytes);
  if (/^application\/json/i.test(type)) return readJsonBatch(c, bytes);
  if (isCsv) return readFileBatch(c, { file: bytes, fields: c.req.query(), start: "#/query" });
  const parts = readForm(bytes, type);
  const file = parts.get("file");
  if (!file) throw refuseAt("/file", 'The file\'s field is "file".');
  parts.delete("file");
  const fields = [...parts].map(([name, content]) => [name, toText(content, `/${name}`)]);
  return readFileBatch(c, { file, fields: Object.fromEntries(fields), start: "" });
}

function readJsonBatch(c: Context<AppEnv>, bytes: Buffer): AskedBatch {
  const sent = readJson(decode(bytes));
  c.set("sent", sent);
  if (typeof sent !== "object" || sent === null || Array.isArray(sent)) {
    throw refuseAt("", "An object is expected.");
  }
  const { rows, ...rest } = sent as Record<string, unknown>;
  const options = BatchOptions.safeParse(rest);
  if (!options.success) throw refuseInvalid("json", options.error);
  if (!Array.isArray(rows) || rows.length === 0) throw refuseAt("/rows", "At least one row.");
  if (rows.length > maxRows) throw refuseAt("/rows", `At most ${maxRows} rows.`);
  return { options: options.data, rows };
}

type FileBody = { file: Buffer; fields: Record<string, string>; start: string };
const inJson = ["input", "params", "metadata", "mapping"];

function readFileBatch(c: Context<AppEnv>, { file, fields, start }: FileBody): AskedBatch {
  const given = Object.entries(fields).map(([name, text]) => [
    name,
    inJson.includes(name) ? readMember(text, `${start}/${name}`) : text,
  ]);
  const sent: unknown = Object.fromEntries(given);
  c.set("sent", { options: sent, csv: createHash("sha256").update(file).digest("hex") });
  const options = FileOptions.safeParse(sent);
  if (!options.success) throw refuseInvalid(start === "" ? "json" : "query", options.error);
  const { mapping, ...rest } = options.data;
  return { options: rest, file, mapping };
}

function readMember(text: string, pointer: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof BadJson) throw refuseAt(pointer, "This member is JSON.");
    throw error;
  }
}

function readJson(text: string): unknown {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof BadJson)) throw error;
    throw new DomainError("malformed_body", { detail: error.message }, { cause: error });
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new DomainError("malformed_body", { detail: "It is not UTF-8." }, { cause: error });
  }
}

function toText(bytes: Uint8Array, pointer: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuseAt(pointer, "It is not UTF-8.");
  }
}
