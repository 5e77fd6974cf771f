import type { RowError } from "@ducat/types/batches";
import type { Terms } from "@ducat/types/pricing";
import type { Db } from "./connect.ts";
import type { RequestKey } from "./credits.ts";
import { askOnce } from "./errors.ts";
import { creationKey, type Decided, type Item, type UsageTake } from "./generations.ts";
import type { SlicedList } from "./slices.ts";
import { withAccount } from "./with-account.ts";

/** One row of a batch as an item: what it starts from, with its params and its line beside it. */
export type BatchRow = {
  label: string | null;
  input: Record<string, unknown>;
  params?: Record<string, unknown> | undefined;
  /** Where it stood in what the caller sent. */
  line: number;
  /** What it costs at most. */
  cost: number;
};

/** What the answers of a batch tell of its rows as they came. */
export type BatchFacts = {
  /** How many there were, good and bad. */
  rows: number;
  rejected: number;
  /** None of them holds what stood in its row. */
  errors: RowError[];
  /** Of a file: its columns, each with what it was taken for. */
  columns?: Record<string, string | null>;
};

export type NewBatch = RequestKey & {
  style: string;
  /** The version that the rows were priced by. */
  styleVersion?: number | undefined;
  rows: BatchRow[];
  batch: BatchFacts;
  input?: Record<string, unknown> | undefined;
  params?: Record<string, unknown> | undefined;
  subject?: string | undefined;
  reference?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  webhookUrl?: string | undefined;
  usage?: UsageTake[] | null | undefined;
  terms?: Terms | null | undefined;
  retryOf?: string | undefined;
};

export type FirstItem = { id: string; label: string | null; cost: number };

/** Made of what never changes after creation, as a create answer must be. */
export type CreatedBatch = Decided & {
  style_id: string;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  subject: string | null;
  reference: string | null;
  metadata: Record<string, unknown>;
  retry_of: string | null;
  terms: Terms | null;
  batch: BatchFacts;
  /** Of its items the first 100, in their order. */
  items: FirstItem[];
  /** All of them; empty on a repeat. */
  item_ids: string[];
  replayed: boolean;
};

type Replay = Pick<CreatedBatch, "input" | "params" | "subject" | "reference" | "metadata"> &
  Pick<CreatedBatch, "terms" | "batch" | "items"> & { style: string; retryOf: string | null };
type CreatedRow = Decided & { item_ids: string[] | null; replay: Replay | null };

/** How many items an answer shows of a batch; the rest is on its pages. */
const firstItems = 100;

/**
 * Creates a generation of rows and sets their prices aside, once per key: one call, one
 * transaction, of which the account's other requests wait for the shortest part only.
 * Errors: insufficient_credits, idempotency_conflict, not_found (account, style, or what the key
 * made was deleted), account_frozen, quota_exceeded, validation_failed (no rows, or over 10,000),
 * invalid_state {what: style_version} (quote again).
 */
export function createBatch(db: Db, accountId: string, batch: NewBatch): Promise<CreatedBatch> {
  return askOnce(creationKey, () => callCreate(db, accountId, batch));
}

async function callCreate(db: Db, accountId: string, b: NewBatch): Promise<CreatedBatch> {
  const rows = b.rows.map(({ label, input, params, line, cost }) => ({
    ...{ label, cost, input: { ...input, ...(params && { params }), line } },
  }));
  const [row] = await db<CreatedRow[]>`
    SELECT * FROM ducat.create_batch(${accountId}, ${b.key}, ${b.fingerprint}, ${b.style},
      ${b.styleVersion ?? null}, ${toJson(rows)}::text::jsonb,
      ${toJson(b.input ?? {})}::text::json, ${toJson(b.params ?? {})}::text::json,
      ${toJson(b.batch)}::text::json, ${b.subject ?? null}, ${b.reference ?? null},
      ${toJson(b.metadata ?? {})}::text::json, ${toJson(b.usage)}::text::jsonb,
      ${b.retryOf ?? null}, ${toJson(b.terms)}::text::json,
      p_webhook_url => ${b.webhookUrl ?? null})`;
  if (!row) throw new Error("create_batch returned no row");
  return toCreated(row, b);
}

const toJson = (value: unknown) => (value == null ? null : JSON.stringify(value));

function toCreated({ replay, item_ids, ...row }: CreatedRow, asked: NewBatch): CreatedBatch {
  if (replay) {
    const { style, retryOf, ...first } = replay;
    const names = { style_id: style, retry_of: retryOf };
    return { ...row, ...first, ...names, item_ids: [], replayed: true };
  }
  const ids = item_ids ?? [];
  const items = asked.rows.slice(0, firstItems).map(({ label, cost }, at) => ({
    ...{ id: ids[at] ?? "", label, cost },
  }));
  return {
    ...row,
    style_id: asked.style,
    input: asked.input ?? {},
    params: asked.params ?? {},
    subject: asked.subject ?? null,
    reference: asked.reference ?? null,
    metadata: asked.metadata ?? {},
    retry_of: asked.retryOf ?? null,
    terms: asked.terms ?? null,
    batch: asked.batch,
    items,
    item_ids: ids,
    replayed: false,
  };
}

export type RowItem = Item & {
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  /** Null where it did not come as a row. */
  line: number | null;
};

export type ItemFilter = {
  status?: Item["status"][] | undefined;
  /** Positions: `from` is one of them, `to` is not. */
  from?: number | undefined;
  to?: number | undefined;
};

/**
 * The items of a generation in their order, a slice at a time: `before` a position is after it
 * here. None where the account has no such generation.
 */
export function listItems(
  db: Db,
  accountId: string,
  { generationId, status, from = 0, to }: ItemFilter & { generationId: string },
): SlicedList<RowItem> {
  return {
    async read({ before, limit }) {
      const start = before === undefined ? from : Number(before) + 1;
      // As JSON, so that times are texts with their microseconds.
      const rows = await withAccount(
        db,
        accountId,
        (sql) => sql<{ item: RowItem }[]>`
          SELECT to_json(r) AS item FROM (
            SELECT i.id, i.generation_id, i.position, i.label, i.status, i.cost, i.refunded,
              i.output, i.output_removed_at, i.error_code, i.error_message, i.charge, i.attempt,
              i.cancel_requested_at, i.started_at, i.completed_at,
              ducat.input_of_row(i.input, g.input) AS input,
              ducat.params_of_row(i.input, g.params) AS params, (i.input ->> 'line')::int AS line
            FROM ducat.generations g
            JOIN ducat.generation_items i
              ON i.account_id = g.account_id AND i.generation_id = g.id
            WHERE g.account_id = ${accountId} AND g.id = ${generationId}
              AND g.deleted_at IS NULL AND i.position >= ${start}
              ${to === undefined ? sql`` : sql`AND i.position < ${to}`}
              ${status ? sql`AND i.status = ANY (${status}::ducat.item_status[])` : sql``}
            ORDER BY i.position LIMIT ${limit}) AS r`,
      );
      return rows.map(({ item }) => item);
    },
    positionOf: ({ position }) => String(position),
  };
}

/** How many items a filter fits, and how many bytes their files have together. */
export async function countItems(
  db: Db,
  accountId: string,
  { generationId, status, from = 0, to }: ItemFilter & { generationId: string },
): Promise<{ items: number; bytes: number }> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ items: number; bytes: number }[]>`
      SELECT count(*) AS items,
        coalesce(sum(coalesce((output ->> 'size')::bigint,
          octet_length(output ->> 'text'))), 0)::bigint AS bytes
      FROM ducat.generation_items
      WHERE account_id = ${accountId} AND generation_id = ${generationId}
        AND position >= ${from} ${to === undefined ? sql`` : sql`AND position < ${to}`}
        ${status ? sql`AND status = ANY (${status}::ducat.item_status[])` : sql``}`,
  );
  return row ?? { items: 0, bytes: 0 };
}

/** A generation's head: what it is, without its items. */
export type BatchHead = {
  id: string;
  style_id: string;
  is_open: boolean;
  /** Null: it did not come as rows. */
  batch: BatchFacts | null;
};

/** What a batch's rows were when they came; undefined when the account has no such generation. */
export async function findBatchHead(
  db: Db,
  accountId: string,
  id: string,
): Promise<BatchHead | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<BatchHead[]>`
      SELECT id, style_id, open_items > 0 AS is_open, batch FROM ducat.generations
      WHERE account_id = ${accountId} AND id = ${id} AND deleted_at IS NULL`,
  );
  return row;
}

/** The keys of these uploads' files, of those that may still be started from; see findUpload. */
export async function findUploadKeys(
  db: Db,
  accountId: string,
  ids: string[],
): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await withAccount(
    db,
    accountId,
    (sql) => sql<{ id: string; key: string }[]>`
      SELECT a.id, b.key FROM unnest(${ids}::uuid[]) AS a (id)
      LEFT JOIN ducat.images i ON i.account_id = ${accountId} AND i.id = a.id
      JOIN ducat.blobs b ON b.account_id = ${accountId} AND b.id = coalesce(i.blob_id, a.id)
      WHERE b.purpose = 'gallery' OR b.purpose = 'input' AND b.expires_at > clock_timestamp()`,
  );
  return new Map(rows.map(({ id, key }) => [id, key]));
}
