import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useDatabase } from "../../../../packages/db/test/use-database.ts";
import { noMeter } from "../meter.ts";
import type { Failure, Outcome, Task } from "./generator.ts";
import { createProviderGate, type GateTimings, type ProviderLimits } from "./provider-gate.ts";

const database = useDatabase();
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const timings: GateTimings = {
  ...{ breakerFaults: 3, breakerOpenMs: 10_000, slotWaitMs: 20, slotBackMs: 1_000 },
  ...{ capHoldMs: 60_000, capRetryMs: 0 },
};
const task = {
  style: { kind: "image", prompt: "", params: { model: "m" } },
  ...{ input: { type: "text", prompt: "A garden" }, params: {} },
} as unknown as Task;
const done = (usage = {}): Outcome => ({
  ...{ status: "completed", output: { kind: "text", text: "Done." }, usage },
});
const failed = (code: string, more: Partial<Failure> = {}): Failure => ({
  ...{ status: "failed", code, message: code, retryable: false },
  ...more,
});
const away = failed("provider_failed", { failover: true });

function setUp(limits: Partial<ProviderLimits> = {}) {
  const told: string[] = [];
  const lines: string[] = [];
  let spent = 0;
  const line = (detail: object, message: string) => {
    lines.push(`${message} ${JSON.stringify(detail)}`);
  };
  const name = `p${randomUUID().slice(0, 8)}`;
  const meter = {
    ...noMeter,
    turnedAway: (_: string, reason: string) => void told.push(reason),
    asked: (_: string, { result }: { result: string }) => void told.push(result),
    breaker: (_: string, state: string) => void told.push(state),
    spent: (_: string, micros: number) => {
      spent += micros;
    },
  };
  const deps = {
    db: database.worker,
    log: { info: line, warn: line, error: line },
    meter,
    timings,
  };
  const gate = createProviderGate(deps, { name, costs: {}, ...limits });
  const { signal } = new AbortController();
  const ask = async (outcome: Outcome | (() => Promise<Outcome>), isKnown = false) => {
    const run = async () => (typeof outcome === "function" ? await outcome() : outcome);
    return await gate.ask({ task, isKnown, signal, run });
  };
  return { name, gate, ask, told, lines, spent: () => spent };
}

it("leaves a provider alone after faults in a row, and counts only its own", async () => {
  const { ask, told } = setUp();
  const own = [failed("moderation_refused"), failed("provider_refused"), done()];
  for (const outcome of [away, away, ...own, away, away]) await ask(outcome);
  expect((await ask(done())).wasAsked).toBe(true);
  for (let count = 0; count < 3; count += 1) await ask(away);
  const turned = await ask(done());
  expect(turned).toMatchObject({
    wasAsked: false,
    outcome: { code: "provider_unavailable", retryable: true, failover: true, retryInMs: 10_000 },
  });
  expect(told.filter((one) => one === "open" || one === "breaker")).toEqual(["open", "breaker"]);
});

it("tries one item when the time is over, and goes on when that is well", async () => {
  const { ask, told } = setUp();
  for (let count = 0; count < 3; count += 1) await ask(away);
  vi.setSystemTime(Date.now() + 10_000);
  let end: (outcome: Outcome) => void = () => undefined;
  const trial = ask(
    () =>
      new Promise((resolve) => {
        end = resolve;
      }),
  );
  await vi.waitFor(() => expect(told).toContain("half-open"));
  expect((await ask(done())).wasAsked).toBe(false);
  end(done());
  expect((await trial).wasAsked).toBe(true);
  expect((await ask(done())).wasAsked).toBe(true);
  expect(told.filter((one) => /open|closed|breaker/.test(one))).toEqual([
    ...["closed", "open", "half-open", "breaker", "closed"],
  ]);
});

it("asks for work that a provider has, whatever the breaker says", async () => {
  const { ask } = setUp();
  const unknown: Outcome = { status: "unknown", askAgainInMs: 5, away: true };
  for (let count = 0; count < 3; count += 1) await ask(unknown, true);
  expect((await ask(done())).wasAsked).toBe(false);
  expect(await ask(done(), true)).toMatchObject({ wasAsked: true });
});

it("rests for as long as the provider asked for", async () => {
  const { ask } = setUp();
  const limit = failed("provider_limit", { retryable: true, failover: true, retryInMs: 60_000 });
  await ask(limit);
  const { outcome, wasAsked } = await ask(done());
  expect(wasAsked).toBe(false);
  expect(outcome).toMatchObject({ code: "provider_limit", retryable: true });
  expect((outcome as Failure).retryInMs).toBeGreaterThan(55_000);
});

it("gives an item back when as many as may be are at the provider", async () => {
  const { ask, told } = setUp({ most_running: 2 });
  const ends: ((outcome: Outcome) => void)[] = [];
  const hold = () => new Promise<Outcome>((resolve) => ends.push(resolve));
  const running = [ask(hold), ask(hold)];
  const turned = await ask(done());
  expect(turned).toMatchObject({ wasAsked: false, outcome: { status: "unknown" } });
  // Asking for work that is there takes no slot; a slot that is left goes to who waits.
  expect((await ask(done(), true)).wasAsked).toBe(true);
  const waiting = ask(done());
  ends[0]?.(done());
  expect((await waiting).wasAsked).toBe(true);
  ends[1]?.(done());
  await Promise.all(running);
  expect(told.filter((one) => one === "running")).toHaveLength(1);
});

it("frees the slot of an item that broke", async () => {
  const { ask } = setUp({ most_running: 1 });
  const broken = () => Promise.reject(new Error("broken"));
  await expect(ask(broken)).rejects.toThrow("broken");
  expect((await ask(done())).wasAsked).toBe(true);
});

it("stops at the cap, and counts what nobody knows as spent", async () => {
  const costs = { m: { image_micros: 40 } };
  const { name, gate, ask, told, spent } = setUp({ daily_cap_micros: 100, costs });
  await ask(failed("outcome_unknown", { failover: true }));
  await ask(failed("provider_refused"));
  await ask(done({ providerCostMicros: 21 }));
  expect(spent()).toBe(61);
  const turned = await ask(done());
  expect(turned).toMatchObject({
    wasAsked: false,
    outcome: { code: "spend_cap", retryable: false, failover: true },
  });
  expect(told.at(-1)).toBe("spend_cap");
  await gate.flush(true);
  const [row] = await database.admin`
    SELECT taken_micros::int AS taken, spent_micros::int AS spent
    FROM ducat.provider_budgets WHERE provider = ${name}`;
  expect(row).toEqual({ taken: 61, spent: 61 });
});

it("asks no model at a provider with a cap whose cost nobody knows", async () => {
  const costs = { other: { image_micros: 40 } };
  const { ask, lines } = setUp({ daily_cap_micros: 100, costs });
  expect((await ask(done())).outcome).toMatchObject({ code: "spend_cap" });
  expect(lines.join()).toContain("a model has no cost");
});

it("says whose work it was, and what of the cost is credible", async () => {
  const { name, ask, lines } = setUp({ costs: { "*": { image_micros: 40 } } });
  const said = { inputTokens: -3, outputTokens: 7, providerCostMicros: 40_001 };
  const { outcome } = await ask(done(said));
  expect(outcome).toMatchObject({
    usage: { outputTokens: 7, providerCostMicros: 40, provider: name, model: "m" },
  });
  expect(lines.join()).toContain("absurd");
});
