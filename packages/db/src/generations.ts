import { DomainError } from "@ducat/types/errors";
import type { PriceLine, Terms } from "@ducat/types/pricing";
import type { Db } from "./connect.ts";
import { batcherOf } from "./create-batch.ts";
import type { RequestKey } from "./credits.ts";
import { ask, askOnce } from "./errors.ts";
import type { Output } from "./outputs.ts";
import { type AccountSql, withAccount } from "./with-account.ts";

/** A quota that each item takes, and the counter's period. `limit` null counts without a limit. */
export type UsageTake = {
  feature: string;
  amount: number;
  limit: number | null;
  /** Of a quota of amount 0, which takes nothing, it is left out. */
  period_start?: string;
  resets_at?: string;
  /** What the refusal names as the product that allows more. */
  upgrade?: string;
  /** Given back at every end of an item; left out: only when it came to nothing. */
  until?: "end";
};

export type NewGeneration = RequestKey & {
  style: string;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  /** One per item; null for an item without a name. */
  labels: (string | null)[];
  subject?: string | undefined;
  reference?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  webhookUrl?: string | undefined;
  usage?: UsageTake[] | undefined;
  unitCost?: number | undefined;
  /** Per item, instead of `input`; null where it is the same. */
  inputs?: (Record<string, unknown> | null)[] | undefined;
  retryOf?: string | undefined;
  /** Why an item costs `unitCost`; null or left out: as the style's `cost` says. */
  terms?: Terms | null | undefined;
  /** The version that the terms were quoted from: another one by now is refused. */
  styleVersion?: number | undefined;
  deadlineSeconds?: number | undefined;
  batch?: Record<string, unknown> | null | undefined;
};

/** What the call that makes a generation decides. It never changes. */
export type Decided = {
  id: string;
  style_version: number;
  kind: "image" | "text";
  cost: number;
  trial_cost: number;
  balance_after: number;
  created_at: Date;
  deadline_at: Date;
};

/** The key by which a generation is made once. */
export const creationKey = "generations_idempotency_key";

/** What was asked for. It never changes either, until the generation is deleted. */
type Wanted = {
  style_id: string;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  subject: string | null;
  reference: string | null;
  metadata: Record<string, unknown>;
  retry_of: string | null;
  terms: Terms | null;
  batch: Record<string, unknown> | null;
};

/** Made of what never changes after creation: the create answer needs nothing else. */
export type CreatedGeneration = Decided &
  Wanted & { item_ids: string[]; labels: (string | null)[]; replayed: boolean };

type CreatedRow = Decided & { item_ids: string[]; replay: NewGeneration | null };

/**
 * Creates a generation and sets its price aside, once per key: one round trip, one transaction.
 * Creates that arrive while others are under way go together (`create-batch.ts`); each has the
 * same answer as by itself. An account's requests are served in order of arrival, but one that
 * does not fit keeps no later one from being served.
 * Errors: insufficient_credits, idempotency_conflict, not_found (account or style),
 * account_frozen, quota_exceeded, invalid_state {what: style_version} (quote again).
 */
export function createGeneration(
  db: Db,
  accountId: string,
  generation: NewGeneration,
): Promise<CreatedGeneration> {
  // Quotas and inputs per item belong to the single call; batches of them gain nothing.
  const { usage, inputs, batch, deadlineSeconds } = generation;
  if (usage || inputs || batch || deadlineSeconds)
    return createSingly(db, { ...generation, accountId });
  const batcher = batcherOf(batchers, db, () => ({
    single: (asked) => createSingly(db, asked),
    together: (asked) => createTogether(db, asked),
  }));
  return batcher({ ...generation, accountId });
}

type Asked = NewGeneration & { accountId: string };
const batchers = new WeakMap<Db, (asked: Asked) => Promise<CreatedGeneration>>();

const createSingly = (db: Db, asked: Asked) => askOnce(creationKey, () => callCreate(db, asked));

async function callCreate(db: Db, g: Asked): Promise<CreatedGeneration> {
  const [row] = await db<CreatedRow[]>`
    SELECT * FROM ducat.create_generation(${g.accountId}, ${g.key}, ${g.fingerprint}, ${g.style},
      ${toJson(g.input)}::text::json, ${toJson(g.params)}::text::json, ${g.labels}::text[],
      ${g.subject ?? null}, ${g.reference ?? null}, ${toJson(g.metadata ?? {})}::text::json,
      ${g.webhookUrl ?? null}, ${toJson(g.usage)}::text::jsonb, ${g.unitCost ?? null},
      ${toJson(g.inputs)}::text::jsonb, ${g.retryOf ?? null}, ${toJson(g.terms)}::text::json,
      ${g.styleVersion ?? null}, ${g.deadlineSeconds ?? null}, ${toJson(g.batch)}::text::json)`;
  if (!row) throw new Error("create_generation returned no row");
  return toCreated(row, g);
}

async function createTogether(db: Db, asked: Asked[]): Promise<(CreatedGeneration | undefined)[]> {
  const requests = asked.map((g) => ({
    account_id: g.accountId,
    key: g.key,
    fingerprint: Buffer.from(g.fingerprint).toString("hex"),
    style: g.style,
    input: g.input,
    params: g.params,
    labels: g.labels,
    subject: g.subject,
    reference: g.reference,
    metadata: g.metadata ?? {},
    webhook_url: g.webhookUrl,
    unit_cost: g.unitCost,
    retry_of: g.retryOf,
    terms: g.terms ?? undefined,
    style_version: g.styleVersion,
  }));
  const rows = await db<(Omit<CreatedRow, "replay"> & { ordinal: number })[]>`
    SELECT * FROM ducat.create_generations(${JSON.stringify(requests)}::text::json)`;
  const made: (CreatedGeneration | undefined)[] = asked.map(() => undefined);
  for (const { ordinal, ...row } of rows) {
    const request = asked[ordinal - 1];
    if (request) made[ordinal - 1] = toCreated({ ...row, replay: null }, request);
  }
  return made;
}

/** What was asked: the request's own words, or on a repeat those of the first one. */
function toCreated({ replay, ...row }: CreatedRow, asked: NewGeneration): CreatedGeneration {
  const first = replay ?? asked;
  return {
    ...row,
    style_id: first.style,
    input: first.input,
    params: first.params,
    labels: first.labels,
    subject: first.subject ?? null,
    reference: first.reference ?? null,
    metadata: first.metadata ?? {},
    retry_of: first.retryOf ?? null,
    terms: first.terms ?? null,
    batch: first.batch ?? null,
    replayed: replay !== null,
  };
}

const toJson = (value: unknown) => (value == null ? null : JSON.stringify(value));

export type Status = "pending" | "processing" | "completed" | "failed" | "canceled";

export type Item = {
  id: string;
  generation_id: string;
  position: number;
  label: string | null;
  status: Status;
  cost: number;
  refunded: number;
  output: Output | null;
  /** When the output went because of its age. */
  output_removed_at: string | null;
  error_code: string | null;
  error_message: string | null;
  /** Why it cost what it did; null: it has not ended well, or cost what was told. */
  charge: PriceLine[] | null;
  attempt: number;
  /** Times of items are the database's text: RFC 3339 with microseconds. */
  cancel_requested_at: string | null;
  started_at: string | null;
  completed_at: string | null;
};

export type Generation = Decided &
  Wanted & {
    status: Status;
    item_count: number;
    open_items: number;
    refunded: number;
    failed_items: number;
    canceled_items: number;
    /** Who is told of its end; no answer shows it. */
    webhook_url: string | null;
    completed_at: Date | null;
    items: Item[];
  };

/**
 * A generation with its items, of a batch the first 100; undefined when the account has no such
 * one.
 */
export async function findGeneration(
  db: Db,
  accountId: string,
  id: string,
): Promise<Generation | undefined> {
  const [found] = await readGenerations(db, accountId, { id, limit: 1 });
  return found;
}

export type GenerationFilter = {
  id?: string | undefined;
  status?: Status | undefined;
  style?: string | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  /** Only those created before this one (an id: ids sort by creation). */
  beforeId?: string | undefined;
  limit: number;
};

/** Generations with their items, newest first, `limit` at most. */
export function listGenerations(
  db: Db,
  accountId: string,
  filter: GenerationFilter,
): Promise<Generation[]> {
  return readGenerations(db, accountId, filter);
}

/** Most have ended and say so in their row; the function is only for those that run. */
function ofStatus(sql: AccountSql, status: Status | undefined) {
  if (status === undefined) return sql``;
  return status === "pending" || status === "processing"
    ? sql`AND g.open_items > 0 AND ducat.status_of(g) = ${status}`
    : sql`AND g.open_items = 0 AND g.status = ${status}`;
}

// Written out in the query and not as SQL functions: those would cost more than the rows do.
function readGenerations(
  db: Db,
  accountId: string,
  filter: GenerationFilter,
): Promise<Generation[]> {
  return withAccount(
    db,
    accountId,
    (sql) => sql<Generation[]>`
      SELECT g.id, g.style_id, g.style_version, g.kind, g.input, g.params, g.subject,
        g.reference, g.metadata, g.retry_of, g.terms, g.batch::jsonb - 'errors' AS batch,
        g.item_count, g.open_items, g.cost, g.trial_cost, g.balance_after, g.refunded,
        g.failed_items, g.canceled_items, g.created_at, g.completed_at, g.deadline_at,
        g.webhook_url,
        CASE WHEN g.open_items = 0 THEN g.status::text ELSE ducat.status_of(g) END AS status,
        (SELECT json_agg(i ORDER BY i.position) FROM (
          SELECT id, generation_id, position, label, status, cost, refunded, output,
            output_removed_at, error_code, error_message, charge, attempt, cancel_requested_at,
            started_at, completed_at
          FROM ducat.generation_items
          WHERE account_id = g.account_id AND generation_id = g.id
            AND (g.batch IS NULL OR position < 100)) AS i) AS items
      FROM ducat.generations g
      WHERE g.account_id = ${accountId} AND g.deleted_at IS NULL
        ${filter.id ? sql`AND g.id = ${filter.id}` : sql``}
        ${ofStatus(sql, filter.status)}
        ${filter.style ? sql`AND g.style_id = ${filter.style}` : sql``}
        ${filter.from ? sql`AND g.created_at >= ${filter.from}` : sql``}
        ${filter.to ? sql`AND g.created_at < ${filter.to}` : sql``}
        ${filter.beforeId ? sql`AND g.id < ${filter.beforeId}` : sql``}
      ORDER BY g.id DESC LIMIT ${filter.limit}`,
  );
}

/** How many generations a filter matches. */
export async function countGenerations(
  db: Db,
  accountId: string,
  filter: Omit<GenerationFilter, "beforeId" | "limit" | "id">,
): Promise<number> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ total: number }[]>`
      SELECT count(*) AS total FROM ducat.generations g
      WHERE g.account_id = ${accountId} AND g.deleted_at IS NULL
        ${ofStatus(sql, filter.status)}
        ${filter.style ? sql`AND g.style_id = ${filter.style}` : sql``}
        ${filter.from ? sql`AND g.created_at >= ${filter.from}` : sql``}
        ${filter.to ? sql`AND g.created_at < ${filter.to}` : sql``}`,
  );
  return row?.total ?? 0;
}

/** Whether the account has used this key for a generation, also for one that was deleted. */
export async function isKeyUsed(db: Db, accountId: string, key: string): Promise<boolean> {
  const rows = await withAccount(
    db,
    accountId,
    (sql) => sql`
      SELECT FROM ducat.generations
      WHERE account_id = ${accountId} AND idempotency_key = ${key}`,
  );
  return rows.length > 0;
}

/** Whether a generation has ended; undefined when the account has no such one. One small read. */
export async function findStatus(
  db: Db,
  accountId: string,
  id: string,
): Promise<Status | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<{ status: Status }[]>`
      SELECT ducat.status_of(g) AS status FROM ducat.generations g
      WHERE account_id = ${accountId} AND id = ${id} AND deleted_at IS NULL`,
  );
  return row?.status;
}

/** As many items as one call cancels. */
const canceledAtOnce = 500;

/**
 * Ends what has not started, in steps, and asks the rest to stop.
 * Errors: not_found, invalid_state (it has ended).
 */
export async function cancelGeneration(
  db: Db,
  accountId: string,
  id: string,
): Promise<{ canceled: number; asked: number }> {
  const cancel = async () => {
    const [row] = await ask(db<{ canceled: number; asked: number }[]>`
      SELECT * FROM ducat.cancel_generation(${accountId}, ${id})`);
    return row ?? { canceled: 0, asked: 0 };
  };
  let { canceled, asked } = await cancel();
  for (let last = canceled; last === canceledAtOnce && asked > 0; canceled += last) {
    // It may have ended meanwhile, by a worker or another cancel.
    ({ canceled: last, asked } = await cancel().catch(orNothing));
  }
  return { canceled, asked };
}

function orNothing(error: unknown) {
  if (!(error instanceof DomainError && error.code === "invalid_state")) throw error;
  return { canceled: 0, asked: 0 };
}

/**
 * Forgets what an ended generation was about; its ledger lines and its key stay.
 * Returns the keys of the files to remove. Errors: not_found, invalid_state (still running).
 */
export async function deleteGeneration(db: Db, accountId: string, id: string): Promise<string[]> {
  const rows = await ask(db<{ key: string }[]>`
    SELECT key FROM ducat.delete_generation(${accountId}, ${id}) AS key`);
  return rows.map((row) => row.key);
}
