import { randomUUID } from "node:crypto";
import { connectRedis } from "@ducat/queue/redis-client";
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { describeRedis } from "../../../../infra/test/describe-queues.ts";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { createInsuredLimits } from "./insured-limits.ts";
import type { LimitStore, Verdict } from "./limit.ts";
import { createMemoryLimits } from "./memory-limits.ts";
import { createPostgresLimits } from "./postgres-limits.ts";
import { createRedisLimits } from "./redis-limits.ts";

const makeLimit = (limit: number, windowSeconds = 60) => {
  const key = `test:${randomUUID()}`;
  return { name: "test", key, limit, windowSeconds };
};
const many = <T>(count: number, run: (n: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, n) => run(n)));

/** What every store does; `open` gives as many of one as there are processes. */
function describeStore(open: (count: number) => Promise<LimitStore[]>): void {
  let stores: LimitStore[];
  beforeAll(async () => {
    stores = await open(4);
  });
  const at = (n: number) => stores[n % stores.length] as LimitStore;

  it("lets exactly as many pass as there may, of 40 at once", async () => {
    const limit = makeLimit(5);
    const verdicts = await many(40, (n) => at(n).take([limit]));
    expect(verdicts.filter(({ isTaken }) => isTaken)).toHaveLength(5);
    expect(verdicts.map(({ standings }) => standings[0]?.used).sort()).toEqual(
      [1, 2, 3, 4, ...Array(36).fill(5)].sort(),
    );
  });

  it("takes from all limits or from none, however they are ordered", async () => {
    const [wide, narrow] = [makeLimit(100), makeLimit(3, 3600)];
    const verdicts = await many(40, (n) => at(n).take(n % 2 ? [wide, narrow] : [narrow, wide]));
    expect(verdicts.filter(({ isTaken }) => isTaken)).toHaveLength(3);
    const { standings } = await at(0).take([wide]);
    expect(standings[0]?.used).toBe(4);
  });

  it("says of each limit how much is used and when it ends, in their order", async () => {
    const [one, other] = [makeLimit(2, 60), makeLimit(1, 86_400)];
    await at(0).take([one]);
    const taken = await at(1).take([one, other]);
    expect([taken.isTaken, ...taken.standings.map(({ used }) => used)]).toEqual([true, 2, 1]);
    const refused = await at(2).take([other, one]);
    expect([refused.isTaken, ...refused.standings.map(({ used }) => used)]).toEqual([false, 1, 2]);
    const [day = 0, minute = 0] = refused.standings.map(({ resetsMs }) => resetsMs);
    expect(minute).toBeGreaterThan(50_000);
    expect(minute).toBeLessThanOrEqual(60_000);
    expect(day).toBeGreaterThan(86_390_000);
    expect(day).toBeLessThanOrEqual(86_400_000);
  });

  it("tells whoever is refused of a window that has not begun that nothing of it is used", async () => {
    const [full, fresh] = [makeLimit(1), makeLimit(9)];
    await at(0).take([full]);
    const { isTaken, standings } = await at(1).take([full, fresh]);
    expect([isTaken, standings[1]]).toEqual([false, { used: 0, resetsMs: 60_000 }]);
  });

  it("begins a window anew when it has ended", async () => {
    const limit = makeLimit(1, 0.05);
    expect((await at(0).take([limit])).isTaken).toBe(true);
    await expect
      .poll(() => at(1).take([limit]), { timeout: 10_000 })
      .toMatchObject({ isTaken: true });
  });
}

describe("limits in memory", () => {
  describeStore(async () => {
    const memory = createMemoryLimits(Date.now);
    return [{ take: async (limits) => memory.take(limits) }];
  });

  it("begin anew to the millisecond", () => {
    let now = 1_000;
    const memory = createMemoryLimits(() => now);
    const limit = makeLimit(1);
    expect(memory.take([limit]).isTaken).toBe(true);
    now += 59_999;
    expect(memory.take([limit])).toEqual({ isTaken: false, standings: [{ used: 1, resetsMs: 1 }] });
    now += 1;
    expect(memory.take([limit]).isTaken).toBe(true);
  });

  it("tell of a window that begins its whole time, however late they come to tell it", () => {
    let now = 1_000;
    const memory = createMemoryLimits(() => now++);
    const [full, fresh] = [makeLimit(1), makeLimit(9)];
    expect(memory.take([full]).standings).toEqual([{ used: 1, resetsMs: 60_000 }]);
    const refused = {
      isTaken: false,
      standings: [expect.anything(), { used: 0, resetsMs: 60_000 }],
    };
    expect(memory.take([full, fresh])).toEqual(refused);
    expect(memory.findRefusal([full, fresh])).toEqual(refused);
  });

  it("are bounded: what is over goes first, then what was used the longest ago", () => {
    let now = 0;
    const memory = createMemoryLimits(() => now, 3);
    const [short, first, second, third, fourth] = [
      makeLimit(1, 1),
      ...[1, 2, 3, 4].map(() => makeLimit(1, 100)),
    ] as [ReturnType<typeof makeLimit>, ...ReturnType<typeof makeLimit>[]];
    const take = (limit = first) => memory.take([limit as typeof short]).isTaken;
    for (const limit of [first, short, second]) take(limit);
    now = 5_000;
    take(third);
    expect([take(first), take(second), take(third)]).toEqual([false, false, false]);
    take(fourth);
    expect([take(second), take(third), take(fourth)]).toEqual([false, false, false]);
    expect(take(first)).toBe(true);
  });
});

describe("limits in PostgreSQL", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await cloneDatabase();
  });
  afterAll(() => database.close());
  describeStore(async (count) =>
    Array.from({ length: count }, () => createPostgresLimits(database.app)),
  );
});

describeRedis("limits in Redis", () => {
  const clients: ReturnType<typeof connectRedis>[] = [];
  afterAll(() => {
    for (const client of clients) client.disconnect();
  });
  const open = async () => {
    const client = connectRedis(inject("redis") ?? "", "limits");
    clients.push(client);
    await new Promise((resolve) => client.once("ready", resolve));
    return client;
  };
  describeStore(async (count) => {
    const opened = await many(count, open);
    return opened.map(createRedisLimits);
  });

  it("leave nothing behind that would never end", async () => {
    const client = await open();
    const limit = makeLimit(2, 60);
    const store = createRedisLimits(client);
    await store.take([limit]);
    await store.take([limit]);
    expect(await client.pttl(`{ducat-limits}:${limit.key}`)).toBeGreaterThan(50_000);
    await client.persist(`{ducat-limits}:${limit.key}`);
    expect(await store.take([limit])).toEqual({
      isTaken: true,
      standings: [{ used: 1, resetsMs: 60_000 }],
    });
    expect(await client.pttl(`{ducat-limits}:${limit.key}`)).toBeGreaterThan(50_000);
  });
});

describe("limits in a store that fails", () => {
  it("are counted on from here, whatever it still says of what it was asked before", async () => {
    const answers: { tell: (verdict: Verdict) => void; fail: (error: Error) => void }[] = [];
    const store: LimitStore = {
      take: () => new Promise((tell, fail) => answers.push({ tell, fail })),
    };
    const memory = createMemoryLimits(Date.now);
    const log = { warn: () => undefined, info: () => undefined };
    const limits = createInsuredLimits({ store, memory, log, retryMs: 3_600_000 });
    onTestFinished(() => limits.close());
    const limit = makeLimit(3);
    const asked = [limits.take([limit]), limits.take([limit])];
    answers[0]?.fail(new Error("the connection is gone"));
    await Promise.all([...asked, limits.take([limit])]);
    // The second request was counted there too, when nobody counted with it any more.
    answers[1]?.tell({ isTaken: true, standings: [{ used: 1, resetsMs: 60_000 }] });
    await new Promise((resolve) => setImmediate(resolve));
    expect((await limits.take([limit])).isTaken).toBe(false);
  });
});
