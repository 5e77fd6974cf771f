import { type CreatedBatch, listItems } from "@ducat/db/batches";
import type { RequestKey } from "@ducat/db/credits";
import type { Generation } from "@ducat/db/generations";
import { readAll } from "@ducat/db/slices";
import { DomainError } from "@ducat/types/errors";
import type { Deps } from "../deps.ts";
import { orderBatch } from "./order-batch.ts";
import { prepareRows } from "./prepare-batch.ts";
import type { Candidate } from "./read-batch.ts";

type RetryDeps = Pick<Deps, "db" | "cache" | "entitlements" | "mode">;

/**
 * A new batch of the rows of one that has ended without a result for them, checked and priced
 * anew: an upload may have expired, and then its row is a bad one. Errors: those of a batch, and
 * invalid_state (it has not ended, or nothing of it failed).
 */
export async function retryBatch(
  deps: RetryDeps,
  accountId: string,
  { row, ...requestKey }: RequestKey & { row: Generation },
): Promise<CreatedBatch> {
  const prepare = async () => {
    const rows = await listFailed(deps, accountId, row.id);
    if (!row.completed_at || rows.length === 0) {
      throw new DomainError("invalid_state", { extra: { status: row.status } });
    }
    const options = {
      ...{ style: row.style_id, params: row.params, metadata: row.metadata },
      ...{ subject: row.subject ?? undefined, reference: row.reference ?? undefined },
      webhook_url: row.webhook_url ?? undefined,
      on_error: "skip" as const,
    };
    const list = () => ({ candidates: rows });
    return await prepareRows(deps, accountId, { ...requestKey, options, list, retryOf: row.id });
  };
  return await orderBatch(deps, accountId, { ...requestKey, style: row.style_id, prepare });
}

/** The rows as they came, each with the line that it had then. */
async function listFailed(
  { db }: RetryDeps,
  accountId: string,
  generationId: string,
): Promise<Candidate[]> {
  const failed: Candidate[] = [];
  const status = ["failed" as const, "canceled" as const];
  for await (const items of readAll(listItems(db, accountId, { generationId, status }))) {
    for (const { line, position, label, input: found, params } of items) {
      const { photo_key: _, ...input } = found;
      const value = { ...(label !== null && { label }), input, params };
      failed.push({ line: line ?? position + 1, value });
    }
  }
  return failed;
}
