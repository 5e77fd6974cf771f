import type { Db } from "./connect.ts";
import type { Output } from "./outputs.ts";
import { type AccountSql, withAccount } from "./with-account.ts";

type Row = { cursor: string } & Record<string, unknown>;
/** The rows of one page after a cursor; each tells the cursor that leads on from it. */
type ReadPage = (sql: AccountSql, accountId: string, after: string | null) => PromiseLike<Row[]>;

/** Small where a row may be large: 256 KiB of input, or the text that was made of it. */
const manyRows = 500;
const fewRows = 20;

/**
 * What an account may take with it, list by list. The rows are named column by column: what is
 * added to a table later is not told before somebody has decided so.
 */
const lists = {
  identities: (sql, account, after) => sql<Row[]>`
    SELECT issuer || ' ' || subject AS cursor, issuer, subject, verified_at, created_at
    FROM ducat.external_identities
    WHERE account_id = ${account}
      AND (${after}::text IS NULL OR issuer || ' ' || subject > ${after})
    ORDER BY issuer || ' ' || subject LIMIT ${manyRows}`,
  entries: (sql, account, after) => sql<Row[]>`
    SELECT seq::text AS cursor, seq, type, amount, available_after, debt_change, generation_id,
      item_id, hold_id, payment_id, description, created_at
    FROM ducat.credit_entries
    WHERE account_id = ${account} AND seq > ${after ?? "0"}::bigint
    ORDER BY seq LIMIT ${manyRows}`,
  grants: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, source, amount, remaining, expired, clawed, subject, starts_at,
      expires_at, closed_at, payment_id, created_at
    FROM ducat.credit_grant_balances
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  subscriptions: (sql, account, after) => sql<Row[]>`
    SELECT s.id::text AS cursor, s.id, p.key AS plan, s.provider, s.status, s.interval,
      s.started_at, s.period_start, s.period_end, s.trial_ends_at, s.cancel_at, s.ended_at,
      s.created_at
    FROM ducat.subscriptions s JOIN ducat.products p ON p.id = s.product_id
    WHERE s.account_id = ${account} AND (${after}::uuid IS NULL OR s.id > ${after}::uuid)
    ORDER BY s.id LIMIT ${manyRows}`,
  payments: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, reference, purpose, status, provider, subscription_id, subject,
      amount, currency, charged, reversed, credits, credits_granted, clawed AS credits_clawed,
      receipt_ref, card_mask AS card, period_start, period_end, failure_code, metadata, paid_at,
      created_at
    FROM ducat.payments
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  generations: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, style_id AS style, style_version, kind,
      (input::jsonb - 'photo_key') AS input, params, subject, reference, metadata, webhook_url,
      retry_of, ducat.status_of(g) AS status, item_count, failed_items, canceled_items, cost,
      refunded, terms AS price, created_at, completed_at
    FROM ducat.generations g
    WHERE account_id = ${account} AND deleted_at IS NULL
      AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${fewRows}`,
  items: (sql, account, after) => sql<Row[]>`
    SELECT i.id::text AS cursor, i.id, i.generation_id, i.position, i.label,
      i.input - 'photo_key' AS input, i.status, i.cost, i.refunded, i.charge,
      i.output, i.output_removed_at, i.error_code, i.error_message, i.started_at, i.completed_at
    FROM ducat.generation_items i
    JOIN ducat.generations g ON g.account_id = i.account_id AND g.id = i.generation_id
    WHERE i.account_id = ${account} AND g.deleted_at IS NULL
      AND (${after}::uuid IS NULL OR i.id > ${after}::uuid)
    ORDER BY i.id LIMIT ${fewRows}`,
  images: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, kind, blob_id AS file_id, thumbnail_id, file_name, is_public,
      tags, metadata, album_id, generation_id, item_id, created_at, updated_at
    FROM ducat.images
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  albums: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, name, description, is_public, image_count, created_at,
      updated_at
    FROM ducat.albums
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  usage: (sql, account, after) => sql<Row[]>`
    SELECT id || ' ' || feature AS cursor, id, feature, amount, subject, event_id, generation_id,
      is_returned, created_at
    FROM ducat.usage_entries
    WHERE account_id = ${account}
      AND (${after}::text IS NULL OR id || ' ' || feature > ${after})
    ORDER BY id || ' ' || feature LIMIT ${manyRows}`,
  files: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, key, purpose, type, size, width, height, sha256, generation_id,
      created_at, expires_at
    FROM ducat.blobs
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  messages: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, kind, channel, status, sent_at, created_at
    FROM ducat.messages
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  events: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, type, data, created_at FROM ducat.outbox
    WHERE account_id = ${account} AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
  webhook_endpoints: (sql, account, after) => sql<Row[]>`
    SELECT id::text AS cursor, id, url, description, events, status, disabled_reason, disabled_at,
      last_success_at, created_at, updated_at
    FROM ducat.webhook_endpoints
    WHERE account_id = ${account} AND kind = 'endpoint' AND status <> 'deleted'
      AND (${after}::uuid IS NULL OR id > ${after}::uuid)
    ORDER BY id LIMIT ${manyRows}`,
} satisfies Record<string, ReadPage>;

export type ExportList = keyof typeof lists;
export const exportLists = Object.keys(lists) as ExportList[];

/** A row of a list. Files have the key of their file, items their output as it is stored. */
export type ExportRow = Record<string, unknown> & { key?: string; output?: Output | null };

/**
 * All rows of one list of an account, page by page: the next page is read when the one before it
 * was taken, and no connection is held meanwhile.
 */
export async function* readExport(
  db: Db,
  accountId: string,
  list: ExportList,
): AsyncGenerator<ExportRow[], void> {
  const read: ReadPage = lists[list];
  let after: string | null = null;
  for (;;) {
    const rows: Row[] = await readPage(db, accountId, { read, after });
    const last = rows.at(-1);
    if (!last) return;
    after = last.cursor;
    yield rows.map(({ cursor: _, ...row }) => row);
  }
}

type Wanted = { read: ReadPage; after: string | null };

/** A page; the last one is empty. */
function readPage(db: Db, accountId: string, { read, after }: Wanted): Promise<Row[]> {
  return withAccount(db, accountId, async (sql) => await read(sql, accountId, after));
}
