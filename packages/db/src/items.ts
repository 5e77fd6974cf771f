import type { Fallback, PriceLine, Pricing, Terms } from "@ducat/types/pricing";
import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Output } from "./outputs.ts";

/** An item that this worker owns until its lease lapses; `attempt_token` fences every write. */
export type ClaimedItem = {
  account_id: string;
  item_id: string;
  generation_id: string;
  item_position: number;
  label: string | null;
  attempt: number;
  attempt_token: string;
  lease_until: Date;
  deadline_at: Date;
  provider_request_id: string | null;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  cost: number;
  style_id: string;
  style_version: number;
  kind: "image" | "text";
  generator: string;
  prompt: string;
  style_params: Record<string, unknown>;
  /** How many items of the account may be worked on at once; null: as many as there are. */
  running_limit: number | null;
  /** Of the style; null: an item costs `cost`. */
  pricing: Pricing | null;
  fallbacks: Fallback[];
  /** What was told when it was asked for; null: the style's cost. */
  terms: Terms | null;
  /** How old a result may be that answers this one; 0: it is to be made. */
  cache_days: number;
};

export type ItemRef = { accountId: string; generationId: string; itemId: string };
type Claimed = Pick<ClaimedItem, "account_id" | "generation_id" | "item_id" | "attempt_token">;

/**
 * Claims an item for this worker; undefined when there is nothing to do: it has ended, another
 * worker owns it, the job is a stale one (`attempt` is the number of claims it knew of), or as many
 * items of the account are worked on as may be.
 */
export async function claimItem(
  db: Db,
  item: ItemRef & { attempt: number },
  leaseSeconds: number,
): Promise<ClaimedItem | undefined> {
  const [row] = await ask(db<Omit<ClaimedItem, "account_id" | "item_id">[]>`
    SELECT * FROM ducat.claim_item(${item.accountId}, ${item.itemId}, ${item.attempt},
      ${leaseSeconds})`);
  return row && { ...row, account_id: item.accountId, item_id: item.itemId };
}

/**
 * The items of an account that the free ones of `limit` slots are for, the oldest first. Without a
 * limit it is that of whoever waits first.
 */
export async function listWaitingItems(
  db: Db,
  accountId: string,
  limit: number | null = null,
): Promise<{ generationId: string; itemId: string; attempt: number }[]> {
  return await ask(db`SELECT * FROM ducat.list_waiting_items(${accountId}, ${limit}::int)`);
}

/** `ok`, `cancel` when its end was asked for, `lost` when another owns it or it has ended. */
export async function extendLease(
  db: Db,
  item: Claimed,
  leaseSeconds: number,
): Promise<"ok" | "cancel" | "lost"> {
  const [row] = await ask(db<{ state: "ok" | "cancel" | null }[]>`
    SELECT ducat.extend_lease(${item.account_id}, ${item.item_id}, ${item.attempt_token},
      ${leaseSeconds}) AS state`);
  return row?.state ?? "lost";
}

/** Keeps the provider's id of the work; false when the item is no longer ours. */
export async function saveProviderRequest(
  db: Db,
  item: Claimed,
  requestId: string,
): Promise<boolean> {
  const [row] = await ask(db<{ saved: boolean }[]>`
    SELECT ducat.save_provider_request(${item.account_id}, ${item.item_id},
      ${item.attempt_token}, ${requestId}) AS saved`);
  return row?.saved ?? false;
}

/** Gives an item back; the attempt that the next job must name, undefined when not ours. */
export async function deferItem(
  db: Db,
  item: Claimed,
  delaySeconds: number,
): Promise<number | undefined> {
  const [row] = await ask(db<{ attempt: number | null }[]>`
    SELECT ducat.defer_item(${item.account_id}, ${item.item_id}, ${item.attempt_token},
      ${delaySeconds}) AS attempt`);
  return row?.attempt ?? undefined;
}

export type ItemUsage = {
  response_time_ms?: number;
  provider_cost_micros?: number;
  input_tokens?: number;
  output_tokens?: number;
  provider?: string;
  model?: string;
  /** It was there already: nobody was asked. */
  cached?: boolean;
};

/**
 * Finishes an item: captures `actual` (default and at most its price), pays the rest back.
 * `canceled` when its end was asked for before a provider was; undefined when it is not ours.
 */
export async function completeItem(
  db: Db,
  item: Claimed,
  result: {
    output: Output;
    actual?: number | undefined;
    usage: ItemUsage;
    /** The lines of `actual`. */
    charge?: PriceLine[] | undefined;
    /** Under which the result may answer the same request again. */
    resultKey?: Uint8Array | undefined;
  },
): Promise<"completed" | "canceled" | undefined> {
  const [row] = await ask(db<{ status: "completed" | "canceled" | null }[]>`
    SELECT ducat.complete_item(${item.account_id}, ${item.generation_id}, ${item.item_id},
      ${item.attempt_token}, ${JSON.stringify(result.output)}::text::jsonb,
      ${result.actual ?? null}, ${JSON.stringify(result.usage)}::text::jsonb,
      ${result.charge ? JSON.stringify(result.charge) : null}::text::jsonb,
      ${result.resultKey ?? null}) AS status`);
  return row?.status ?? undefined;
}

/**
 * Reports a failed attempt: `pending` means that it is to be tried again after the delay under
 * the returned attempt; otherwise it has ended and was paid back. Undefined when it is not ours.
 */
export async function failItem(
  db: Db,
  item: Claimed,
  failure: { code: string; message: string; retryable: boolean; delaySeconds: number },
): Promise<{ status: "pending" | "failed" | "canceled"; attempt: number } | undefined> {
  type Row = { result: { status: "pending" | "failed" | "canceled"; attempt: number } | null };
  const [row] = await ask(db<Row[]>`
    SELECT ducat.fail_item(${item.account_id}, ${item.generation_id}, ${item.item_id},
      ${item.attempt_token}, ${failure.code}, ${failure.message}, ${failure.retryable},
      ${failure.delaySeconds}) AS result`);
  return row?.result ?? undefined;
}

export type DueItem = ItemRef & { attempt: number; action: "run" | "end" };

/**
 * Items that are due, each pushed into the future first: `run` wants a job for its attempt,
 * `end` wants endDueItem. `retrySeconds` is the first delay of the next look at it.
 */
export async function sweepItems(
  db: Db,
  options: { limit: number; retrySeconds?: number } = { limit: 500 },
): Promise<DueItem[]> {
  return ask(db<DueItem[]>`
    SELECT account_id AS "accountId", generation_id AS "generationId", item_id AS "itemId",
      attempt, action
    FROM ducat.sweep_items(${options.limit}, p_retry_s => ${options.retrySeconds ?? 30})`);
}

/** Ends an item that can't be saved any more; the reason, undefined when it still can. */
export async function endDueItem(db: Db, item: ItemRef): Promise<string | undefined> {
  const [row] = await ask(db<{ reason: string | null }[]>`
    SELECT ducat.end_due_item(${item.accountId}, ${item.generationId}, ${item.itemId}) AS reason`);
  return row?.reason ?? undefined;
}

/** How long the longest-waiting item that a worker could claim now has been due, in seconds. */
export async function readBacklog(db: Db): Promise<{ waiting: number; oldestSeconds: number }> {
  const [row] = await ask(db<{ waiting: number; oldestSeconds: number | null }[]>`
    SELECT waiting, "oldestSeconds" FROM ducat.read_backlog()`);
  return { waiting: row?.waiting ?? 0, oldestSeconds: row?.oldestSeconds ?? 0 };
}
