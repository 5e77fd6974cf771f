import { randomUUID } from "node:crypto";
import { expect, it, vi } from "vitest";
import { noMeter } from "../meter.ts";
import { BadOutput } from "./bad-output.ts";
import { makeChain } from "./chain.ts";
import { type Context, type Failure, type Outcome, sentMark, type Task } from "./generator.ts";
import { createRouter } from "./route-models.ts";
import { createChance } from "./seed.ts";

type Play = (context: Context, asked: number) => Promise<Outcome> | Outcome;

const done: Outcome = { status: "completed", output: { kind: "text", text: "Done." } };
const fail = (code: string, more: Partial<Failure> = {}): Failure => ({
  ...{ status: "failed", code, message: `It is ${code}.`, retryable: false },
  ...more,
});
const busy = fail("provider_limit", { retryable: true, failover: true, retryInMs: 9_000 });
const lost = fail("outcome_unknown", { failover: true });
/** A provider without ids: the work may be done, and nobody can tell. */
const sendAndLose: Play = async (context) => {
  if (context.requestId === null) await context.saveRequestId(sentMark);
  return lost;
};

const text: Task["input"] = { type: "text", prompt: "" };
const noPhoto: Task["input"] = { type: "photo", photo: Buffer.alloc(0) };

const log = { info() {}, warn() {}, error() {} };

/** An item whose style has a model of each provider, in this order. */
function setUp(plays: Record<string, Play>) {
  const asked: string[] = [];
  const seen: (string | null)[] = [];
  const fellBack: string[] = [];
  let stored: string | null = null;
  const names = Object.keys(plays);
  const generators = Object.fromEntries(
    names.map((name) => [
      name,
      {
        name,
        async run(task: Task, context: Context) {
          expect(task.style).toMatchObject({ generator: name, params: { model: `${name}-1` } });
          asked.push(name);
          seen.push(context.requestId);
          const count = asked.filter((one) => one === name).length;
          return await (plays[name] as Play)(context, count);
        },
      },
    ]),
  );
  const meter = { ...noMeter, fellBack: (from: string) => void fellBack.push(from) };
  const route = createRouter({ generators, gates: new Map(), meter, log });
  const styles = names.map((name) => ({ generator: name, params: { model: `${name}-1` } }));
  const [first, ...fallbacks] = styles;
  const chain = makeChain({
    ...{ generator: first?.generator ?? "", style_params: first?.params ?? {}, fallbacks },
  });
  type More = { isOverdue?: boolean; accepts?: boolean; input?: Task["input"] };
  const run = async ({ isOverdue = false, accepts = true, input = text }: More = {}) => {
    const style = { id: "s", kind: "text", prompt: "" };
    const result = await route({
      task: { itemId: "item", style, input } as unknown as Task,
      ...{ chain, isOverdue },
      context: {
        signal: new AbortController().signal,
        requestId: stored,
        saveRequestId: async (id) => {
          stored = id;
        },
        idempotencyKey: "item",
        deadline: new Date(),
      },
      accept: async (outcome, link) => {
        if (!accepts) throw new BadOutput("a test says so");
        return { ...outcome, by: link.provider };
      },
    });
    // A failure that is tried again forgets the id, as fail_item does.
    if (result.status === "failed" && result.retryable) stored = null;
    return result;
  };
  return { run, asked, seen, fellBack, stored: () => stored, store: (id: string) => (stored = id) };
}

it("asks the style's own model, and nobody else when that has made it", async () => {
  const { run, asked, fellBack } = setUp({ a: () => done, b: () => done });
  expect(await run()).toMatchObject({ status: "completed", by: "a" });
  expect([asked, fellBack]).toEqual([["a"], []]);
});

it("asks the next one when a provider is over its limits, and pays nobody for it", async () => {
  const { run, asked, fellBack, stored } = setUp({ a: () => busy, b: () => done });
  expect(await run()).toMatchObject({ status: "completed", by: "b" });
  expect([asked, fellBack, stored()]).toEqual([["a", "b"], ["a"], null]);
});

it.each(["moderation_refused", "provider_refused"])("asks nobody else after %s", async (code) => {
  const { run, asked } = setUp({ a: () => fail(code), b: () => done });
  expect(await run()).toEqual(fail(code));
  expect(asked).toEqual(["a"]);
});

it("is tried again from the start when all are over their limits", async () => {
  const { run, asked, stored } = setUp({ a: () => busy, b: () => fail("spend_cap", busy) });
  expect(await run()).toEqual(busy);
  await run();
  expect([asked, stored()]).toEqual([["a", "b", "a", "b"], null]);
});

it("never goes back to a provider that may have been paid", async () => {
  const { run, asked, stored } = setUp({ a: sendAndLose, b: () => busy });
  expect(await run()).toEqual({ status: "unknown", askAgainInMs: 9_000 });
  expect(stored()).toBe("1.1:b:");
  expect(await run()).toMatchObject({ status: "unknown" });
  // In the end it is paid back, and asked of nobody.
  expect(await run()).toEqual({ ...busy, retryable: false });
  expect(asked).toEqual(["a", "b", "b", "b"]);
});

it("goes on with the next one when a worker died before it knew the outcome", async () => {
  const { run, asked, seen, store } = setUp({ a: sendAndLose, b: () => done });
  store("0.0:a:sent");
  expect(await run()).toMatchObject({ status: "completed", by: "b" });
  expect([asked, seen]).toEqual([
    ["a", "b"],
    ["sent", null],
  ]);
});

it("forgets what was sent and refused before it waits for another one", async () => {
  const refuse: Play = async (context, asked) => {
    if (asked > 1) return done;
    await context.saveRequestId(sentMark);
    return busy;
  };
  const { run, asked, seen, stored } = setUp({
    a: refuse,
    b: () => ({ status: "unknown", askAgainInMs: 5 }),
  });
  expect(await run()).toEqual({ status: "unknown", askAgainInMs: 5 });
  // Nobody has it: a cancel is free, and the first one may be asked again.
  expect(stored()).toBe("0.0:a:");
  expect(await run()).toMatchObject({ status: "completed", by: "a" });
  expect([asked, seen]).toEqual([
    ["a", "b", "a"],
    [null, null, null],
  ]);
});

it("does not forget what may have been sent when that is refused the second time", async () => {
  const noView = fail("address_unavailable", { retryable: true });
  const { run, seen, stored, store } = setUp({ a: () => noView, b: () => done });
  store("0.0:a:sent");
  expect(await run()).toMatchObject({ status: "unknown" });
  expect(await run()).toMatchObject({ status: "unknown" });
  expect(stored()).toBe("0.2:a:sent");
  expect(await run()).toEqual({ ...noView, retryable: false });
  expect(seen).toEqual(["sent", "sent", "sent"]);
});

it("asks another one in the end when what may have been sent is refused", async () => {
  const { run, asked, store } = setUp({ a: () => busy, b: () => done });
  store("0.2:a:sent");
  expect(await run()).toMatchObject({ status: "completed", by: "b" });
  expect(asked).toEqual(["a", "b"]);
});

it("keeps the id of work whose provider is not set up here", async () => {
  const route = createRouter({ generators: {}, gates: new Map(), meter: noMeter, log });
  const saveRequestId = vi.fn(async () => undefined);
  const signal = new AbortController().signal;
  const context = { requestId: "0.0:gone:abc", signal, saveRequestId } as unknown as Context;
  const task = { itemId: "item", style: { id: "s" }, input: text } as unknown as Task;
  const chain = makeChain({ generator: "gone", style_params: {} });
  const work = { task, chain, context, isOverdue: false, accept: async () => done };
  expect(await route(work)).toMatchObject({ status: "unknown" });
  expect(saveRequestId.mock.calls).toEqual([["0.1:gone:abc"]]);
});

it("asks nobody anew without the photo, and waits for it twice", async () => {
  const { run, asked, stored, store } = setUp({ a: sendAndLose, b: () => done });
  store("1.0:b:");
  expect(await run({ input: noPhoto })).toMatchObject({ status: "unknown" });
  expect(stored()).toBe("1.1:b:");
  expect(await run()).toMatchObject({ status: "completed", by: "b" });
  store("1.2:b:");
  const end = { code: "photo_unreachable", retryable: false };
  expect(await run({ input: noPhoto })).toMatchObject(end);
  expect(asked).toEqual(["b"]);
});

it("asks for work with an id without the photo", async () => {
  const { run, store } = setUp({ a: () => done });
  store("0.0:a:abc");
  expect(await run({ input: noPhoto })).toMatchObject({ status: "completed", by: "a" });
});

it("asks again the one that has the work, and by the name that it gave", async () => {
  const { run, asked, seen, stored } = setUp({
    a: () => busy,
    b: async (context) => {
      if (context.requestId !== null) return done;
      await context.saveRequestId("1.0:a:tricky");
      return { status: "unknown", askAgainInMs: 5 };
    },
  });
  expect(await run()).toEqual({ status: "unknown", askAgainInMs: 5 });
  expect(stored()).toBe("1.0:b:1.0:a:tricky");
  expect(await run()).toMatchObject({ status: "completed", by: "b" });
  expect([asked, seen]).toEqual([
    ["a", "b", "b"],
    [null, null, "1.0:a:tricky"],
  ]);
});

it("takes an id without a mark, of a former release, for the first model's", async () => {
  const { run, seen, store } = setUp({ a: () => done, b: () => done });
  store("local-42");
  await run();
  expect(seen).toEqual(["local-42"]);
});

it("fetches an unusable output again, and then asks another provider", async () => {
  const { run, asked, seen, stored } = setUp({
    a: async (context) => {
      if (context.requestId === null) await context.saveRequestId("id");
      return done;
    },
    b: () => busy,
  });
  const accepts = false;
  expect(await run({ accepts })).toMatchObject({ status: "unknown" });
  expect(await run({ accepts })).toMatchObject({ status: "unknown" });
  expect(await run({ accepts })).toEqual({ status: "unknown", askAgainInMs: 9_000 });
  expect([asked, stored()]).toEqual([["a", "a", "a", "b"], "1.1:b:"]);
  expect(seen).toEqual([null, "id", "id", null]);
});

it("ends with bad_output when the only one has no other output", async () => {
  const play: Play = async (context) => {
    if (context.requestId === null) await context.saveRequestId(sentMark);
    return done;
  };
  const { run, asked } = setUp({ a: play });
  expect(await run({ accepts: false })).toMatchObject({ code: "bad_output", retryable: false });
  expect(asked).toEqual(["a"]);
});

it("tries again what cost nothing", async () => {
  const { run } = setUp({ a: () => done });
  expect(await run({ accepts: false })).toMatchObject({ code: "bad_output", retryable: true });
});

it("begins nothing after the deadline, but asks for what was begun", async () => {
  const { run, asked, store } = setUp({ a: sendAndLose, b: () => done });
  store("0.0:a:sent");
  const end = { code: "deadline_exceeded", retryable: false };
  expect(await run({ isOverdue: true })).toMatchObject(end);
  expect(asked).toEqual(["a"]);
});

it("asks the next one, or is tried again, when a provider is not set up", async () => {
  const route = createRouter({ generators: {}, gates: new Map(), meter: noMeter, log });
  const context = { requestId: null, signal: new AbortController().signal } as unknown as Context;
  const task = { itemId: "item", style: { id: "s" }, input: text } as unknown as Task;
  const chain = makeChain({ generator: "gone", style_params: {} });
  const work = { task, chain, context, isOverdue: false, accept: async () => done };
  const end = { code: "provider_unavailable", retryable: true };
  expect(await route(work)).toMatchObject(end);
});

class Killed extends Error {}

/**
 * Providers that answer, refuse, lose and fail at random, and workers that are killed at random,
 * before and after each write and each piece of work. By their own books no provider may do two
 * pieces of paid work for one item, and every item ends.
 */
it("pays no provider twice, whatever they answer and wherever workers die", async () => {
  let [ends, kills, fallbacks] = [0, 0, 0];
  for (let seed = 0; seed < 400; seed += 1) {
    const chance = createChance(`route ${seed}`);
    const may = (share: number) => chance.between(0, 1) < share;
    const die = () => {
      if (!may(0.08)) return;
      kills += 1;
      throw new Killed();
    };
    const paid = new Map<string, number>();
    const states = new Map<string, Outcome>();
    const pay = (name: string) => paid.set(name, (paid.get(name) ?? 0) + 1);
    const withIds = (name: string): Play => {
      return async (context) => {
        let id = context.requestId;
        if (id === null) {
          if (may(0.3)) return busy;
          id = randomUUID();
          die();
          // The id is there before the work begins: it is the client that names it.
          await context.saveRequestId(id);
          die();
          pay(name);
          states.set(id, may(0.7) ? done : fail("provider_failed", { failover: true }));
        }
        die();
        if (may(0.2)) return { status: "unknown", askAgainInMs: 1 };
        return states.get(id) ?? fail("provider_failed", { failover: true });
      };
    };
    const withoutIds = (name: string): Play => {
      return async (context) => {
        if (context.requestId !== null) return lost;
        if (may(0.3)) return busy;
        die();
        await context.saveRequestId(sentMark);
        die();
        if (may(0.1)) return busy;
        pay(name);
        die();
        return may(0.6) ? done : lost;
      };
    };
    const names = ["a", "b", "c"].slice(0, chance.whole(1, 3));
    const plays = names.map((name) => [name, may(0.5) ? withIds(name) : withoutIds(name)] as const);
    const item = setUp(Object.fromEntries(plays));
    let end: Outcome | undefined;
    for (let attempt = 0; attempt < 200 && !end; attempt += 1) {
      try {
        const outcome = await item.run({ accepts: may(0.8) });
        const isOpen =
          outcome.status === "unknown" || (outcome.status === "failed" && outcome.retryable);
        if (!isOpen) end = outcome;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
    }
    expect(end, `seed ${seed}`).toBeDefined();
    ends += 1;
    fallbacks += item.fellBack.length;
    for (const [name, times] of paid) expect(times, `${name}, seed ${seed}`).toBe(1);
  }
  // It met what it is about.
  expect(Math.min(ends, kills, fallbacks)).toBeGreaterThan(100);
});
