import type { CreatedBatch, RowItem as RowItemRow } from "@ducat/db/batches";
import type { UrlSigner } from "@ducat/storage/signed-url";
import type { Batch, RowItem } from "@ducat/types/batches";
import { describeCharge, showItem, toTime } from "../show-generation.ts";
import { linksOf } from "./show-progress.ts";

/** So many bad rows are in the answer itself. */
const shownErrors = 100;

/** The answer to a create: the state of that moment, so that a replay has the same bytes. */
export function showBatch(made: CreatedBatch): Batch {
  const { rows, rejected, errors, columns } = made.batch;
  return {
    id: made.id,
    style: { id: made.style_id, version: made.style_version },
    status: "pending",
    rows,
    accepted: rows - rejected,
    rejected,
    errors: errors.slice(0, shownErrors),
    ...(columns && { columns }),
    params: made.params,
    subject: made.subject,
    reference: made.reference,
    cost: made.cost,
    ...describeCharge(made.cost, made.trial_cost),
    balance: made.balance_after,
    ...linksOf(made.id),
    created_at: toTime(made.created_at),
    deadline_at: toTime(made.deadline_at),
    metadata: made.metadata,
  };
}

/** An item with what it was made of. */
export function showRowItem(row: RowItemRow, urlSigner: UrlSigner): RowItem {
  // The file's key is for workers.
  const { photo_key: _, ...input } = row.input;
  const { generation_id, line, params } = row;
  return { ...showItem(row, urlSigner), generation_id, line, input, params };
}
