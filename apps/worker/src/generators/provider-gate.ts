import type { Db } from "@ducat/db/connect";
import type { Log } from "../log.ts";
import type { ProviderMeter } from "../meter.ts";
import type { ModelCost, ProviderSettings } from "../model-settings.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import { reckonMost } from "./check-usage.ts";
import type { Outcome, Task } from "./generator.ts";
import { createRunSlots, type RunSlots } from "./run-slots.ts";
import { createSpendCap, type Reservation, type SpendCap } from "./spend-cap.ts";
import { turnedAway } from "./turn-away.ts";
import { isFault, keepCredible, modelOf, spentOf } from "./weigh-answer.ts";

/** What a provider may be asked for; the rest of its settings is its generator's. */
export type ProviderLimits = Pick<
  ProviderSettings,
  "name" | "most_running" | "daily_cap_micros" | "costs"
>;

export type GateTimings = {
  /** Faults in a row that open a breaker, and how long it stays open. */
  breakerFaults: number;
  breakerOpenMs: number;
  /** How long an item waits for a free slot before it is given back, and for how long then. */
  slotWaitMs: number;
  slotBackMs: number;
  /** How long a slice of a cap is held, and when a cap that is reached is looked at again. */
  capHoldMs: number;
  capRetryMs: number;
};

export type GateDeps = { db: Db; log: Log; meter: ProviderMeter; timings: GateTimings };

type Work = {
  task: Task;
  /** The provider has the work: asking for it is free, and is never refused. */
  isKnown: boolean;
  signal: AbortSignal;
  run(): Promise<Outcome>;
};

/** `wasAsked`: the request may have left, and may have been paid for. */
export type Asked = { outcome: Outcome; wasAsked: boolean };

export type Gate = {
  ask(work: Work): Promise<Asked>;
  flush(isLast?: boolean): Promise<void>;
};

const longestRestMs = 600_000;

type Inside = GateDeps & {
  provider: ProviderLimits;
  breaker: Breaker;
  slots: RunSlots;
  cap: SpendCap | undefined;
  /** The provider asked to be left alone until then. */
  rest: { until: number };
};
/** What an item may cost at most, set aside where there is a cap. */
type Stake = { most: number; reserved: Reservation | undefined };

/**
 * Stands before a provider: leaves it alone while it is down, over its limits or has spent what it
 * may, and keeps what is credible of what it says about use and cost. Throws only what the
 * generator and the database throw.
 */
export function createProviderGate(deps: GateDeps, provider: ProviderLimits): Gate {
  const { log, meter, timings } = deps;
  const { name, most_running, daily_cap_micros: capMicros } = provider;
  const breaker = createBreaker({
    faults: timings.breakerFaults,
    openMs: timings.breakerOpenMs,
    onChange(state) {
      meter.breaker(name, state);
      log.warn({ provider: name, state }, "the breaker of a provider has changed");
    },
  });
  meter.breaker(name, breaker.state());
  const times = { holdMs: timings.capHoldMs, retryMs: timings.capRetryMs };
  const cap =
    capMicros === undefined
      ? undefined
      : createSpendCap({ ...deps, ...times }, { provider: name, capMicros });
  const slots = createRunSlots(most_running ?? Number.POSITIVE_INFINITY);
  const gate: Inside = { ...deps, provider, breaker, slots, cap, rest: { until: 0 } };
  return {
    ask: (work) => (work.isKnown ? askKnown(gate, work) : askAnew(gate, work)),
    flush: async (isLast) => await cap?.flush(isLast),
  };
}

/** Nothing stands in the way of who asks for work that the provider has. */
async function askKnown(gate: Inside, work: Work): Promise<Asked> {
  const stake = { most: reckon(gate, work.task), reserved: undefined };
  if (gate.breaker.state() === "closed") return await askJudged(gate, work, stake);
  return { outcome: await run(gate, work, stake), wasAsked: true };
}

async function askAnew(gate: Inside, work: Work): Promise<Asked> {
  const { breaker, rest, slots, timings } = gate;
  const restMs = rest.until - performance.now();
  if (restMs > 0) return turnAway(gate, "limit", turnedAway.limit(restMs));
  const waitMs = breaker.waitMs();
  if (waitMs > 0) return turnAway(gate, "breaker", turnedAway.away(waitMs));
  if (!(await slots.enter(timings.slotWaitMs, work.signal))) {
    work.signal.throwIfAborted();
    const askAgainInMs = timings.slotBackMs * (0.5 + Math.random());
    return turnAway(gate, "running", { status: "unknown", askAgainInMs });
  }
  try {
    const stake = await setAside(gate, work.task);
    if (!stake) return turnAway(gate, "spend_cap", turnedAway.spent());
    return await askJudged(gate, work, stake);
  } finally {
    slots.leave();
  }
}

function turnAway({ meter, provider }: Inside, reason: string, outcome: Outcome): Asked {
  meter.turnedAway(provider.name, reason);
  return { outcome, wasAsked: false };
}

async function askJudged(gate: Inside, work: Work, stake: Stake): Promise<Asked> {
  const { breaker } = gate;
  const value = await breaker.run<{ outcome: Outcome } | { error: unknown }>(async () => {
    try {
      const outcome = await run(gate, work, stake);
      return { value: { outcome }, isFault: isFault(outcome) };
    } catch (error) {
      // Stopped by us it says nothing of the provider, and nothing good of one that is on trial.
      return { value: { error }, isFault: !work.signal.aborted || breaker.state() !== "closed" };
    }
  });
  if (value === undefined) {
    stake.reserved?.settle(0);
    if (!work.isKnown) return turnAway(gate, "breaker", turnedAway.away(breaker.waitMs()));
    return { outcome: await run(gate, work, stake), wasAsked: true };
  }
  if ("error" in value) throw value.error;
  return { outcome: value.outcome, wasAsked: true };
}

/** Runs the generator, and makes of its outcome what our books say of it. */
async function run(gate: Inside, work: Work, { most, reserved }: Stake): Promise<Outcome> {
  const { log, meter, provider } = gate;
  const { name } = provider;
  const { task } = work;
  const cost = findCost(provider, task);
  let spent = most;
  try {
    const said = await measure(meter, name, work.run);
    if (said.status === "failed" && said.code === "provider_limit" && said.retryInMs) {
      gate.rest.until = performance.now() + Math.min(said.retryInMs, longestRestMs);
    }
    const outcome = keepCredible({ log, name, task, cost, most }, said);
    spent = spentOf(outcome, most);
    return outcome;
  } finally {
    reserved?.settle(spent);
    // What another worker had set aside for it is counted already.
    if (!work.isKnown) meter.spent(name, spent);
  }
}

async function setAside(gate: Inside, task: Task): Promise<Stake | undefined> {
  const { cap, log, provider } = gate;
  const most = reckon(gate, task);
  if (!cap) return { most, reserved: undefined };
  if (!findCost(provider, task)) {
    const named = { provider: provider.name, model: modelOf(task) };
    log.error(named, "a model has no cost, but its provider has a cap");
    return undefined;
  }
  const reserved = await cap.reserve(most);
  return reserved && { most, reserved };
}

function reckon({ provider }: Inside, task: Task): number {
  const cost = findCost(provider, task);
  return cost ? reckonMost(cost, task) : 0;
}

function findCost({ costs }: ProviderLimits, task: Task): ModelCost | undefined {
  const model = modelOf(task);
  return Object.hasOwn(costs, model) ? costs[model] : costs["*"];
}

async function measure(meter: ProviderMeter, name: string, run: () => Promise<Outcome>) {
  const startedAt = performance.now();
  let result = "broken";
  try {
    const outcome = await run();
    result = outcome.status === "failed" ? outcome.code : outcome.status;
    return outcome;
  } finally {
    meter.asked(name, { result, ms: performance.now() - startedAt });
  }
}
