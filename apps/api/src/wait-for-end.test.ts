import { randomUUID } from "node:crypto";
import { Generation } from "@ducat/types/generations";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { settle } from "../test/settle.ts";
import { eventually, order, type Stage, setStage } from "../test/stage.ts";
import { createWaiter, readPreferredWait } from "./wait-for-end.ts";

describe("readPreferredWait", () => {
  it.each([
    [undefined, 0],
    ["", 0],
    ["wait=10", 10],
    ["respond-async, wait=5", 5],
    ["wait=5; foo", 5],
    ['WAIT = "7"', 7],
    ["wait=600", 60],
    ["wait=-1", 0],
    ["wait=x", 0],
    ["await=5", 0],
  ])("takes %j for %i seconds", (prefer, seconds) => {
    expect(readPreferredWait(prefer)).toBe(seconds);
  });
});

describe("Prefer: wait", () => {
  let stage: Stage;
  const closing = new AbortController();
  beforeAll(async () => {
    stage = await setStage({ deps: { closing: closing.signal } });
  });
  afterAll(() => stage.close());
  const create = (account: string, wait: number, key = randomUUID()) =>
    stage.call("/v1/generations", {
      account,
      key,
      body: order(),
      headers: { prefer: `wait=${wait}` },
    });

  it("answers 200 with how it ended, and a replay as well", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const waiting = create(account, 30, key);
    const made = await eventually(async () => {
      const { body } = await stage.call("/v1/generations", { account });
      expect(body.data).toHaveLength(1);
      return body.data[0];
    });
    await settle(stage, account, made, ["completed"]);
    const ended = await waiting;
    expect([ended.status, ended.headers.get("preference-applied")]).toEqual([200, "wait=30"]);
    const generation = Generation.parse(ended.body);
    expect([generation.status, generation.balance]).toEqual(["completed", 2]);
    const replay = await create(account, 30, key);
    expect([replay.status, replay.body.status]).toEqual([200, "completed"]);
    expect(replay.headers.get("idempotent-replayed")).toBe("true");
  });

  it("answers the plain 201 when the time is over", async () => {
    const account = await stage.makeAccount();
    const startedAt = performance.now();
    const made = await create(account, 1);
    expect([made.status, made.body.status]).toEqual([201, "pending"]);
    expect(made.headers.get("preference-applied")).toBeNull();
    expect(performance.now() - startedAt).toBeGreaterThan(950);
  });

  it("lets an account wait twenty times at once, and others as well", async () => {
    const account = await stage.makeAccount();
    const waitForEnd = createWaiter({ ...stage.deps, closing: closing.signal });
    const { body } = await stage.call("/v1/generations", { account, key: "w", body: order() });
    const gone = new AbortController();
    const wait = (accountId: string) =>
      waitForEnd({ accountId, id: body.id, seconds: 60, signal: gone.signal });
    let over = 0;
    const count = (promise: Promise<boolean>) => promise.finally(() => (over += 1));
    const twenty = Array.from({ length: 20 }, () => count(wait(account)));
    const startedAt = performance.now();
    expect(await wait(account)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(50);
    expect(over).toBe(0);
    // Another account does not see it: for that one it has ended, and it had a slot to ask.
    expect(await wait(await stage.makeAccount())).toBe(true);
    gone.abort();
    expect(await Promise.all(twenty)).toEqual(Array(20).fill(false));
  });

  it("looks when there is news of the generation, and not for that of others", async () => {
    const [account, other] = [await stage.makeAccount(), await stage.makeAccount()];
    const { deps } = stage;
    let looks = 0;
    const db = new Proxy(deps.db, {
      get(target, name) {
        looks += name === "begin" ? 1 : 0;
        return Reflect.get(target, name);
      },
    });
    const waitForEnd = createWaiter({ ...deps, db, closing: closing.signal, pauseMs: 60_000 });
    const { body } = await stage.call("/v1/generations", { account, key: "n", body: order() });
    const { signal } = new AbortController();
    const waiting = waitForEnd({ accountId: account, id: body.id, seconds: 30, signal });
    // The second, when the bus is heard.
    await eventually(() => expect(looks).toBe(2));
    // Of others, and of nothing: no reason to look.
    for (let count = 0; count < 100; count++) {
      deps.bus.publish({ accountId: other, generationId: randomUUID() });
      deps.bus.publish({ accountId: account });
    }
    await deps.bus.flush();
    await settle(stage, account, body, ["completed"]);
    deps.bus.publish({ accountId: account, generationId: body.id });
    expect(await waiting).toBe(true);
    expect(looks).toBe(3);
  });

  it("hears of an end also where the news was lost", async () => {
    const account = await stage.makeAccount();
    const bus = { subscribe: () => () => undefined };
    const waitForEnd = createWaiter({ ...stage.deps, bus, closing: closing.signal });
    const { body } = await stage.call("/v1/generations", { account, key: "l", body: order() });
    const { signal } = new AbortController();
    const waiting = waitForEnd({ accountId: account, id: body.id, seconds: 30, signal });
    await settle(stage, account, body, ["completed"]);
    expect(await waiting).toBe(true);
  });

  it("ends when the process stops", async () => {
    const account = await stage.makeAccount();
    const waiting = create(account, 60);
    await eventually(async () => {
      const { body } = await stage.call("/v1/generations", { account });
      expect(body.data).toHaveLength(1);
    });
    closing.abort();
    const made = await waiting;
    expect([made.status, made.headers.get("connection")]).toEqual([201, "close"]);
  });
});
