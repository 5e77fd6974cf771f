import { findStyle } from "@ducat/db/styles";
import type { BatchOptions, RowError } from "@ducat/types/batches";
import { DomainError } from "@ducat/types/errors";
import { readStyleInputs, type StyleInputs } from "@ducat/types/style-inputs";
import type { Deps } from "../deps.ts";
import { refuseAt } from "../problem.ts";
import { checkRows } from "./check-rows.ts";
import { findPhotos } from "./find-photos.ts";
import { type ListedRows, listCandidates } from "./list-candidates.ts";
import type { WantedBatch } from "./order-batch.ts";
import type { AskedBatch } from "./read-batch.ts";

type PrepareDeps = Pick<Deps, "db" | "entitlements" | "mode">;
type Key = Pick<WantedBatch, "key" | "fingerprint">;

const toldErrors = 100;

/**
 * The rows of a batch, checked and priced by the style as it is now, with what is wrong with the
 * others. Errors: not_found (style), quota_exceeded (the plan has no CSVs), validation_failed (no
 * good row, or a bad one where all have to be good; those of reading a file).
 */
export async function prepareBatch(
  deps: PrepareDeps,
  accountId: string,
  { asked, ...requestKey }: Key & { asked: AskedBatch },
): Promise<WantedBatch> {
  if ("file" in asked) await assertCsv(deps, accountId);
  const { options } = asked;
  const list = (inputs?: StyleInputs) => listCandidates(asked, inputs);
  return await prepareRows(deps, accountId, { ...requestKey, options, list });
}

type AskedRows = Key & {
  options: BatchOptions;
  /** `inputs`: which params the style takes; undefined: any. */
  list: (inputs: StyleInputs | undefined) => ListedRows;
  retryOf?: string;
};

/** The same of rows from anywhere. */
export async function prepareRows(
  { db, mode }: PrepareDeps,
  accountId: string,
  { options, list, ...asked }: AskedRows,
): Promise<WantedBatch> {
  const style = await findStyle(db, options.style);
  if (!style) throw new DomainError("not_found", { extra: { what: "style" } });
  const inputs = readStyleInputs(style.inputs);
  const { candidates, columns } = list(inputs);
  const checked = await checkRows(candidates, { options, style, inputs, mode });
  const { rows, errors, count } = await findPhotos(db, accountId, checked);
  if (count === 0) throw refuseAt("/file", "There are no rows in it.");
  if (rows.length === 0 || (options.on_error === "refuse" && errors.length > 0)) {
    throw refuseRows(errors, { rows: count, rejected: count - rows.length });
  }
  const { params, subject, reference, metadata, webhook_url: webhookUrl } = options;
  return {
    ...asked,
    ...{ style: style.id, styleVersion: style.version, rows },
    ...{ params, subject, reference, metadata, webhookUrl },
    batch: { rows: count, rejected: count - rows.length, errors, ...(columns && { columns }) },
  };
}

/** Errors: quota_exceeded, where there is such a feature and the account doesn't have it. */
async function assertCsv({ entitlements }: PrepareDeps, accountId: string): Promise<void> {
  const checking = entitlements.check(accountId, { feature: "csv_upload", amount: 1 });
  const found = await checking.catch((error: unknown) => {
    if (error instanceof DomainError && error.code === "not_found") return undefined;
    throw error;
  });
  if (!found || found.allowed) return;
  const { allowed: _, ...quota } = found;
  throw new DomainError("quota_exceeded", { extra: quota });
}

function refuseRows(errors: RowError[], counts: { rows: number; rejected: number }): DomainError {
  const faults = errors.slice(0, 20).map(({ pointer, message }) => ({ pointer, detail: message }));
  return new DomainError("validation_failed", {
    detail: "Nothing was accepted.",
    errors: faults,
    extra: { ...counts, row_errors: errors.slice(0, toldErrors) },
  });
}
