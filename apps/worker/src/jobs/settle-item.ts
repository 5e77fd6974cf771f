import type { Db } from "@ducat/db/connect";
import {
  type ClaimedItem,
  completeItem,
  deferItem,
  failItem,
  type ItemUsage,
} from "@ducat/db/items";
import type { Output } from "@ducat/db/outputs";
import type { DropUsage } from "@ducat/entitlements/usage-drops";
import type { Queue } from "@ducat/queue/queue";
import type { PriceLine } from "@ducat/types/pricing";
import type { Outcome, Usage } from "../generators/generator.ts";
import type { Settled } from "../meter.ts";
import { safeError } from "../safe-error.ts";
import { toStorable } from "../storable-text.ts";
import type { Timings } from "../timings.ts";
import { waitForDatabase } from "../wait-for-database.ts";
import type { CheckedOutput } from "./check-output.ts";
import type { OwnedItem, StopReason } from "./own-item.ts";
import { retryDelayMs } from "./retry-delay.ts";
import { toJob } from "./run-item-job.ts";
import { removeOutput, type StoreDeps, storeOutput } from "./store-output.ts";

const shortestAskMs = 50;
const longestAskMs = 600_000;
const longestOverdueMs = 10_000;
const maxMessageLength = 500;

export type SettleDeps = StoreDeps & {
  db: Db;
  queue: Pick<Queue, "add">;
  timings: Timings;
  /** What an item took of quotas came back as it failed. */
  dropUsage: DropUsage;
};

type Completed = Omit<Extract<Outcome, { status: "completed" }>, "output"> & {
  made: CheckedOutput;
  /** The lines of `actualCost`. */
  charge?: PriceLine[];
  /** Under which it may answer the same request again. */
  resultKey?: Uint8Array;
  tookMs?: number;
};
type Failed = Extract<Outcome, { status: "failed" }>;

/** How an attempt ended. */
export type Result =
  | Completed
  | Exclude<Outcome, { status: "completed" }>
  | { status: "stopped"; why: StopReason };

/**
 * Writes how an attempt ended, and adds the job of the next one where there is a next one. Every
 * write carries the claim's token: for an item that is not ours any more it changes nothing.
 * Returns how the attempt ended in the database.
 */
export async function settleItem(
  deps: SettleDeps,
  own: OwnedItem,
  result: Result,
): Promise<Settled> {
  const { item } = own;
  switch (result.status) {
    case "completed":
      return await complete(deps, own, result);
    case "failed":
      return await fail(deps, item, result);
    case "unknown":
      return await giveBack(deps, own, Math.max(result.askAgainInMs, shortestAskMs));
    case "stopped":
      return await settleStopped(deps, own, result.why);
  }
}

async function settleStopped(deps: SettleDeps, own: OwnedItem, why: StopReason): Promise<Settled> {
  const { item } = own;
  deps.log.info({ item: item.item_id, attempt: item.attempt, why }, "stopped working on an item");
  const end = (code: string, message: string) =>
    fail(deps, item, { status: "failed", code, message, retryable: false });
  switch (why) {
    case "lost":
      return "lost";
    case "closing":
      return await giveBack(deps, own, 0);
    case "canceled":
      return await end("canceled", "Canceled on request.");
    case "deadline":
      // What a provider works on is asked for once more, in the grace, before it is paid back.
      if (own.requestId() !== null && !own.isOverdue) return await giveBack(deps, own, 0);
      return await end("deadline_exceeded", "It did not finish in time.");
  }
}

/** The files first, then the row that makes it count. */
async function complete(deps: SettleDeps, own: OwnedItem, result: Completed): Promise<Settled> {
  const { db, log, at, timings } = deps;
  const { item } = own;
  const { made, actualCost: actual, charge, resultKey, tookMs = 0 } = result;
  await at("before-blob", item.item_id);
  let output: Output;
  try {
    output = await storeOutput(deps, item, made);
  } catch (error) {
    log.error({ item: item.item_id, err: safeError(error) }, "a result could not be stored");
    return await settleItem(deps, own, tryAgain(deps, own));
  }
  await at("after-blob", item.item_id);
  const usage = toItemUsage(result.usage ?? {}, tookMs);
  const finish = () => completeItem(db, item, { output, actual, usage, charge, resultKey });
  const status = await waitForDatabase(timings.databaseWaitMs, finish);
  await at("after-complete", item.item_id);
  const { item_id, attempt } = item;
  const settled = status ?? "lost";
  log.info({ item: item_id, attempt, tookMs, status: settled }, "finished an item");
  if (status === "canceled") await deps.dropUsage(item.account_id);
  if (status !== "completed") await removeOutput(deps, output);
  return settled;
}

function toItemUsage(usage: Usage, tookMs: number): ItemUsage {
  const { inputTokens, outputTokens, providerCostMicros, provider, model, cached } = usage;
  return {
    response_time_ms: tookMs,
    ...(inputTokens === undefined ? {} : { input_tokens: inputTokens }),
    ...(outputTokens === undefined ? {} : { output_tokens: outputTokens }),
    ...(providerCostMicros === undefined ? {} : { provider_cost_micros: providerCostMicros }),
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
    ...(cached === undefined ? {} : { cached }),
  };
}

async function fail(deps: SettleDeps, item: ClaimedItem, failure: Failed): Promise<Settled> {
  const { db, log, at, timings } = deps;
  const { code, retryable, retryInMs = 0 } = failure;
  const askedMs = Math.min(Math.max(retryInMs, 0), longestAskMs);
  const delayMs = retryable ? Math.max(retryDelayMs(timings.retryMs, item.attempt), askedMs) : 0;
  const message = toStorable(failure.message, maxMessageLength);
  const delaySeconds = delayMs / 1_000;
  const report = () => failItem(db, item, { code, message, retryable, delaySeconds });
  const left = await waitForDatabase(timings.databaseWaitMs, report);
  await at("after-fail", item.item_id);
  const status = left?.status ?? "lost";
  log.info({ item: item.item_id, attempt: item.attempt, code, status }, "failed an item");
  if (left?.status === "pending") await requeue(deps, { item, attempt: left.attempt, delayMs });
  else if (left) await deps.dropUsage(item.account_id);
  return left?.status === "pending" ? "retry" : (left?.status ?? "lost");
}

async function giveBack(deps: SettleDeps, own: OwnedItem, ms: number): Promise<Settled> {
  const { db, log, at, timings } = deps;
  const { item } = own;
  // Not beyond the deadline: the last question is due there.
  const limitMs = own.isOverdue ? longestOverdueMs : Math.min(own.leftMs(), longestAskMs);
  const delayMs = Math.min(ms, limitMs);
  const defer = () => deferItem(db, item, delayMs / 1_000);
  const attempt = await waitForDatabase(timings.databaseWaitMs, defer);
  await at("after-defer", item.item_id);
  const status = attempt === undefined ? "lost" : "pending";
  log.info({ item: item.item_id, attempt: item.attempt, delayMs, status }, "gave an item back");
  if (attempt === undefined) return "lost";
  await requeue(deps, { item, attempt, delayMs });
  return "deferred";
}

/**
 * What an attempt that broke for reasons of ours comes to. Work that a provider has under a known
 * id is asked for again; a failure would forget the id and pay the provider twice.
 */
export function tryAgain({ timings }: { timings: Timings }, own: OwnedItem): Result {
  if (own.requestId() !== null) {
    return { status: "unknown", askAgainInMs: retryDelayMs(timings.retryMs, own.item.attempt) };
  }
  const message = "Something went wrong on our side.";
  return { status: "failed", code: "internal_error", message, retryable: true };
}

type Next = { item: ClaimedItem; attempt: number; delayMs: number };

/** Only a wake-up: without it the sweeper finds the item when it is due. */
async function requeue({ queue, log, at }: SettleDeps, { item, attempt, delayMs }: Next) {
  const { account_id: accountId, generation_id: generationId, item_id: itemId } = item;
  try {
    const job = toJob({ accountId, generationId, itemId, attempt }, { delayMs });
    await queue.add("run-item", [job]);
    await at("after-requeue", itemId);
  } catch (error) {
    log.warn({ item: itemId, err: safeError(error) }, "the next attempt waits for the sweeper");
  }
}
