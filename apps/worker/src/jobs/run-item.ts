import { type ClaimedItem, claimItem } from "@ducat/db/items";
import type { Bus } from "@ducat/events/bus";
import type { RunItem } from "@ducat/queue/jobs";
import type { Handler } from "@ducat/queue/work";
import { DomainError } from "@ducat/types/errors";
import { PhotoUnreachable } from "../fetch-photo.ts";
import { BadOutput } from "../generators/bad-output.ts";
import { isPlace, type Link, makeChain } from "../generators/chain.ts";
import type { Outcome, Task } from "../generators/generator.ts";
import { listPriced } from "../generators/model-params.ts";
import type { RouteModels } from "../generators/route-models.ts";
import type { ItemMeter, Settled } from "../meter.ts";
import type { Progress, Reporting } from "../progress.ts";
import type { Relay } from "../relay-events.ts";
import { safeError } from "../safe-error.ts";
import { waitForDatabase } from "../wait-for-database.ts";
import { checkPicture, checkText } from "./check-output.ts";
import { type InputDeps, loadInput } from "./load-input.ts";
import { type OwnDeps, type OwnedItem, ownItem, type Stopped } from "./own-item.ts";
import { priceItem } from "./price-item.ts";
import { makeResultKey, reuseResult } from "./reuse-result.ts";
import { type Result, type SettleDeps, settleItem, tryAgain } from "./settle-item.ts";
import { wakeWaiting } from "./wake-waiting.ts";

export type RunDeps = OwnDeps &
  InputDeps &
  SettleDeps & {
    routeModels: RouteModels;
    meter: ItemMeter;
    /** Who watches the item is told. */
    bus: Pick<Bus, "publish">;
    progress: Pick<Progress, "follow">;
    /** How an item ended is told at once, not at the relay's next look. */
    relay: Pick<Relay, "wake">;
  };

type Report = Reporting["report"];

/** Refusals that describe our own state, not the item's input. */
const passing = new Set(["unavailable", "internal", "rate_limited", "in_progress"]);

/**
 * Works on one item: claims it, makes its output, writes how it ended. A process that dies anywhere
 * in here leaves an item whose lease lapses, and the next claim goes on from what is stored; so
 * nothing here needs to be undone. Returns without a claim when there is nothing to do.
 */
export function createRunItem(deps: RunDeps): Handler<"run-item"> {
  const { log, at, timings, meter, bus } = deps;
  const tell = ({ account_id: accountId, generation_id: generationId }: ClaimedItem) =>
    bus.publish({ accountId, generationId });

  const run = async (job: RunItem) => {
    const claim = () => claimItem(deps.db, job, timings.leaseSeconds);
    const item = await waitForDatabase(timings.databaseWaitMs, claim);
    if (!item) return;
    const own = ownItem(deps, item);
    const { generator, attempt: number } = item;
    const reporting = deps.progress.follow(item);
    const startedAt = performance.now();
    let outcome: Settled = "broken";
    meter.claimed();
    tell(item);
    try {
      await at("after-claim", item.item_id);
      const result = await makeResult(deps, own, reporting.report);
      reporting.end();
      outcome = await settleItem(deps, own, result);
      const { account_id: accountId, running_limit: limit } = item;
      const by = `${item.item_id}-${item.attempt}`;
      if (limit !== null) await wakeWaiting(deps, { accountId, limit, by });
    } finally {
      own.release();
      reporting.end();
      tell(item);
      deps.relay.wake();
      meter.settled({ outcome, generator, number, ms: performance.now() - startedAt });
    }
  };

  return async (job) => {
    await at("before-claim", job.itemId);
    try {
      await run(job);
    } catch (error) {
      // The sweeper brings the item back when its lease has lapsed.
      log.error({ item: job.itemId, err: safeError(error) }, "an item was left where it was");
    }
    await at("before-ack", job.itemId);
  };
}

/** Runs the generator until there is a result, or no use in waiting for one. Never rejects. */
async function makeResult(deps: RunDeps, own: OwnedItem, report: Report): Promise<Result> {
  const startedAt = performance.now();
  const { signal } = own;
  const work = generate(deps, own, report);
  // A generator that is deaf to its signal must not keep a lost item, or the process, waiting.
  const stopped = new Promise<never>((_, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
  work.catch(() => undefined);
  stopped.catch(() => undefined);
  try {
    const result = await Promise.race([work, stopped]);
    if (result.status !== "completed") return result;
    return { ...result, tookMs: Math.round(performance.now() - startedAt) };
  } catch (error) {
    if (signal.aborted) return { status: "stopped", why: (signal.reason as Stopped).why };
    return explain(deps, own, error);
  }
}

async function generate(deps: RunDeps, own: OwnedItem, report: Report): Promise<Result> {
  const { at, routeModels, timings } = deps;
  const { item, signal } = own;
  const startedAt = performance.now();
  const input = await loadInput(deps, item, signal);
  await at("after-input", item.item_id);
  // Between two models a cancel is free, and only the worker can see it.
  const isBetween = isPlace(own.requestId());
  if (isBetween || performance.now() - startedAt > timings.recheckAfterMs) await own.check();
  const resultKey = makeResultKey(item, input);
  // What a provider has been asked for is paid: that is waited for.
  const reused = own.requestId() === null ? await reuseResult(deps, item, resultKey) : undefined;
  if (reused) return reused;
  await at("before-run", item.item_id);
  const result = await routeModels({
    task: toTask(item, input),
    chain: makeChain(item),
    context: {
      signal,
      requestId: own.requestId(),
      saveRequestId: own.saveRequestId,
      idempotencyKey: item.item_id,
      deadline: item.deadline_at,
      report,
    },
    isOverdue: own.isOverdue,
    accept: async (outcome, link) => {
      await at("after-answer", item.item_id);
      const checked = await check(item, outcome, link);
      // Another model's work is not what the style is meant to answer with again.
      return link.index === 0 && resultKey ? { ...checked, resultKey } : checked;
    },
  });
  if (result.status !== "completed") await at("after-answer", item.item_id);
  return result;
}

type Completed = Extract<Outcome, { status: "completed" }>;

async function check(item: ClaimedItem, outcome: Completed, link: Link) {
  const { output, actualCost, usage = {} } = outcome;
  if (output.kind !== item.kind) throw new BadOutput(`the kind ${output.kind}`);
  const made = output.kind === "text" ? checkText(output.text) : await checkPicture(item, output);
  const price = priceItem(item, { link, usage, actualCost });
  return { status: "completed" as const, usage, made, ...price };
}

function toTask(item: ClaimedItem, input: Task["input"]): Task {
  return {
    accountId: item.account_id,
    generationId: item.generation_id,
    itemId: item.item_id,
    attempt: item.attempt,
    style: {
      id: item.style_id,
      version: item.style_version,
      kind: item.kind,
      generator: item.generator,
      prompt: item.prompt,
      params: item.style_params,
      priced: listPriced(item.pricing),
    },
    input,
    label: item.label,
    params: item.params,
  };
}

/** A refusal of ours is final, its words are public; what we don't know is tried again, unsaid. */
function explain(deps: RunDeps, own: OwnedItem, error: unknown): Result {
  if (error instanceof DomainError && !passing.has(error.code)) {
    return { status: "failed", code: error.code, message: error.message, retryable: false };
  }
  const { item_id: item, attempt } = own.item;
  deps.log.warn({ item, attempt, err: safeError(error) }, "an attempt broke");
  if (error instanceof PhotoUnreachable) {
    const { code, message, retryable } = error;
    return { status: "failed", code, message, retryable };
  }
  return tryAgain(deps, own);
}
