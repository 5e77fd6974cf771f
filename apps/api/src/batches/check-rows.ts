import { setImmediate } from "node:timers/promises";
import type { BatchRow as PricedRow } from "@ducat/db/batches";
import type { Style } from "@ducat/db/styles";
import { type BatchOptions, BatchRow, type RowError } from "@ducat/types/batches";
import { DomainError } from "@ducat/types/errors";
import type { StyleInputs } from "@ducat/types/style-inputs";
import { refuseInvalid } from "../problem.ts";
import { makeTerms } from "../quote-terms.ts";
import type { Candidate } from "./read-batch.ts";

/** Of rows with several faults each: every bad row has one in any case. */
const mostErrors = 10_000;
/** So many rows are checked before others get their turn. */
const rowsAtOnce = 200;

/** A row that can be made, and its place among all of them, from 0. */
export type CheckedRow = PricedRow & { index: number };
export type CheckedRows = {
  rows: CheckedRow[];
  /** Several of a row that has several. */
  errors: RowError[];
  count: number;
};

type Rules = {
  options: BatchOptions;
  style: Pick<Style, "cost" | "pricing">;
  /** Which params a row may have; undefined: any. */
  inputs: StyleInputs | undefined;
  mode: "test" | "live";
};

/**
 * Checks and prices each row by itself. Files that rows name by upload are looked up later.
 * Errors: those of reading the rows.
 */
export async function checkRows(
  candidates: Iterable<Candidate>,
  rules: Rules,
): Promise<CheckedRows> {
  const rows: CheckedRow[] = [];
  const errors: RowError[] = [];
  let count = 0;
  for (const candidate of candidates) {
    const { line } = candidate;
    const pointer = `/rows/${count}`;
    const checked =
      "code" in candidate ? [{ ...candidate, inner: "" }] : checkRow(candidate.value, rules);
    if (Array.isArray(checked)) {
      const told = checked.slice(0, Math.max(1, mostErrors - errors.length));
      for (const { inner, code, message } of told) {
        errors.push({ line, pointer: `${pointer}${inner}`, code, message });
      }
    } else {
      rows.push({ ...checked, line, index: count });
    }
    count += 1;
    if (count % rowsAtOnce === 0) await setImmediate();
  }
  return { rows, errors, count };
}

type Fault = { code: RowError["code"]; message: string; inner: string };

function checkRow(
  value: unknown,
  { options, style, inputs, mode }: Rules,
): Omit<PricedRow, "line"> | Fault[] {
  const row = BatchRow.safeParse(value);
  if (!row.success) return toFaults(refuseInvalid("json", row.error));
  const { label = null, params } = row.data;
  const input = row.data.input ?? options.input;
  if (!input) return refuse("/input", "Neither the row nor the batch says what it starts from.");
  const all = { ...options.params, ...params };
  if (mode === "live" && "simulate" in all) {
    return refuse("/params/simulate", "This is for test mode only.");
  }
  try {
    const { unit: cost } = makeTerms({ ...style, inputs }, { params: all, input });
    return { label, input, cost, ...(params && { params }) };
  } catch (error) {
    if (error instanceof DomainError && error.code === "validation_failed") return toFaults(error);
    throw error;
  }
}

const refuse = (inner: string, message: string): Fault[] => [
  { code: "validation_failed", inner, message },
];

function toFaults({ detail, message }: DomainError): Fault[] {
  const { errors = [] } = detail;
  if (errors.length === 0) return refuse("", message);
  return errors.flatMap((one) => refuse(one.pointer, one.detail));
}
