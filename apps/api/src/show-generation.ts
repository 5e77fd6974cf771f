import type { CreatedBatch, FirstItem } from "@ducat/db/batches";
import type { CreatedGeneration, Item as ItemRow, Generation as Row } from "@ducat/db/generations";
import type { UrlSigner } from "@ducat/storage/signed-url";
import type { Charged, CreditType } from "@ducat/types/credits";
import type { Generation, Item, Output, Price } from "@ducat/types/generations";
import { showProgress } from "./batches/show-progress.ts";
import { listBase } from "./quote-terms.ts";

export const toTime = (date: Date | string): string => new Date(date).toISOString();

/** The same of a moment that may not have come. */
export const toTimeOrNull = (date: string | null): string | null => date && toTime(date);

/** How a price was paid. */
export function describeCharge(
  cost: number,
  trial: number,
): { charged: Charged; credit_type: CreditType } {
  const token = cost - trial;
  const credit_type = cost === 0 ? "none" : token === 0 ? "trial" : trial === 0 ? "token" : "mixed";
  return { charged: { trial, token }, credit_type };
}

/** What an item was said to cost. Where nothing else was said, that is the style's cost. */
function showPrice({ terms }: Pick<Row, "terms">, items: Pick<Item, "cost">[]): Price {
  if (terms) return { unit: terms.unit, lines: terms.lines };
  const unit = items[0]?.cost ?? 0;
  return { unit, lines: listBase(unit) };
}

type State = Pick<
  Generation,
  "status" | "items" | "failed_items" | "canceled_items" | "completed_at"
>;

/** Everything but the state is final when the row is made. */
function assemble(row: CreatedGeneration | CreatedBatch | Row, state: State): Generation {
  // The file's key is for workers.
  const { photo_key: _, ...input } = row.input;
  return {
    id: row.id,
    style: { id: row.style_id, version: row.style_version },
    input,
    params: row.params,
    subject: row.subject,
    reference: row.reference,
    retry_of: row.retry_of,
    status: state.status,
    cost: row.cost,
    price: showPrice(row, state.items),
    ...describeCharge(row.cost, row.trial_cost),
    balance: row.balance_after,
    items: state.items,
    failed_items: state.failed_items,
    canceled_items: state.canceled_items,
    created_at: toTime(row.created_at),
    completed_at: state.completed_at,
    deadline_at: toTime(row.deadline_at),
    metadata: row.metadata,
  };
}

/** The answer to a create: the state of that moment, so that a replay has the same bytes. */
export function showCreated(row: CreatedGeneration): Generation {
  const cost = row.cost / row.item_ids.length;
  const items = row.item_ids.map((id, position) =>
    showNew({ id, label: row.labels[position] ?? null, cost }, position),
  );
  return assemble(row, { ...asNew, items });
}

/** The same of a batch, with the first of its items. */
export function showCreatedBatch(row: CreatedBatch): Generation {
  const { rows, rejected } = row.batch;
  const count = rows - rejected;
  const counts = { item_count: count, open_items: count, failed_items: 0, canceled_items: 0 };
  const batch = showProgress({ id: row.id, batch: row.batch, ...counts });
  const shown = assemble(row, { ...asNew, items: row.items.map(showNew) });
  return { ...shown, ...(batch && { batch }) };
}

const asNew = {
  status: "pending",
  failed_items: 0,
  canceled_items: 0,
  completed_at: null,
} as const;

const showNew = (item: FirstItem, position: number): Item => ({
  ...item,
  position,
  status: "pending",
  refunded: 0,
  charge: null,
  output: null,
  output_removed_at: null,
  error: null,
  attempts: 0,
  started_at: null,
  completed_at: null,
  processing_time_ms: null,
});

/** A generation as it is now. */
export function showGeneration(row: Row, urlSigner: UrlSigner): Generation {
  const { status, failed_items, canceled_items } = row;
  const items = row.items.map((item) => showItem(item, urlSigner));
  const completed_at = row.completed_at && toTime(row.completed_at);
  const shown = assemble(row, { status, items, failed_items, canceled_items, completed_at });
  const batch = showProgress(row);
  return batch ? { ...shown, batch } : shown;
}

/** An item as it is now. */
export function showItem(row: ItemRow, urlSigner: UrlSigner): Item {
  const { id, label, position, status, cost, refunded, started_at, completed_at } = row;
  // An attempt that will be repeated leaves its error in the row; it is not how the item ended.
  const hasFailed = status === "failed" || status === "canceled";
  return {
    id,
    label,
    position,
    status,
    cost,
    refunded,
    charge: row.charge,
    output: row.output && showOutput(row.output, urlSigner),
    output_removed_at: row.output_removed_at && toTime(row.output_removed_at),
    error: hasFailed
      ? { code: row.error_code ?? "failed", message: row.error_message ?? "It failed." }
      : null,
    attempts: row.attempt,
    started_at: started_at && toTime(started_at),
    completed_at: completed_at && toTime(completed_at),
    processing_time_ms:
      started_at && completed_at ? Date.parse(completed_at) - Date.parse(started_at) : null,
  };
}

/** What an item has made; a picture with a URL that opens it for an hour. */
export function showOutput(output: NonNullable<ItemRow["output"]>, urlSigner: UrlSigner): Output {
  if (output.kind === "text") return { text: output.text };
  const { key, type, width, height, size, sha256, thumbnail } = output;
  const thumbnail_url = thumbnail ? urlSigner.sign(thumbnail.key) : null;
  return { url: urlSigner.sign(key), type, width, height, size, sha256, thumbnail_url };
}
