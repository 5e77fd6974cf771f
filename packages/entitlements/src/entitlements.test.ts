import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, inject, it, vi } from "vitest";
import { describeRedis } from "../../../infra/test/describe-queues.ts";
import { setFeatureOverride } from "../../db/src/entitlements.ts";
import { listUsage } from "../../db/src/usage.ts";
import { makeAccount } from "../../db/test/factories.ts";
import { refusalOf } from "../../db/test/outcome.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { startRedis } from "../../queue/test/redis-server.ts";
import { limit, makeDefaultPlan, openProcess } from "../test/stage.ts";
import { createUsageDrops } from "./usage-drops.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };
const take = (more: object = {}) => ({
  ...{ feature: "pictures", amount: 1, eventId: randomUUID() },
  ...more,
});
const eventually = <T>(check: () => T | Promise<T>) =>
  vi.waitFor(check, { timeout: 10_000, interval: 10 });

let planKey = "";
beforeAll(async () => {
  planKey = await makeDefaultPlan(database.admin, { features: { pictures: limit(5) } });
});

/** What a process says of the limit of pictures. */
const limitOf = async ({ entitlements }: Awaited<ReturnType<typeof openProcess>>, id: string) => {
  const { pictures } = (await entitlements.get(id)).features;
  return pictures?.kind === "limit" ? pictures.limit : undefined;
};
const setLimit = (most: number) => database.admin`
  UPDATE ducat.products
  SET features = jsonb_set(features, '{pictures,limit}', to_jsonb(${most}::int))
  WHERE key = ${planKey}`;

describe("what an account may do", () => {
  it("is one query for all who ask at once, and none as long as it is remembered", async () => {
    const { id } = await makeAccount(database.app);
    const process = await openProcess(database);
    const ask = () => Promise.all(Array.from({ length: 20 }, () => process.entitlements.get(id)));
    await ask();
    expect(process.queries).toHaveLength(1);
    expect(process.queries[0]).toContain("find_entitlements");
    const again = await ask();
    await process.entitlements.check(id, { feature: "pictures", amount: 1 });
    expect(process.queries).toHaveLength(1);
    expect(again[0]).toMatchObject({ account_id: id, plan: { key: planKey }, status: "none" });
    expect(process.counts).toMatchObject({ hits: 40, misses: 1, loads: 1, failed: [] });
  });

  it("is not there for an account that is not, and nobody remembers that", async () => {
    const process = await openProcess(database);
    const id = randomUUID();
    expect(await refusalOf(process.entitlements.get(id))).toMatchObject({ code: "not_found" });
    expect(await refusalOf(process.entitlements.get(id))).toMatchObject({ code: "not_found" });
    expect(process.queries).toHaveLength(2);
    expect(process.counts.failed).toEqual([]);
  });

  it("is right in two processes as soon as one has changed it", async () => {
    const { id } = await makeAccount(database.app);
    const [here, there] = [await openProcess(database), await openProcess(database)];
    expect([await limitOf(here, id), await limitOf(there, id)]).toEqual([5, 5]);
    const override = { feature: "pictures", value: 50, reason: "a test", audit };
    await setFeatureOverride(here.db, id, override);
    await here.entitlements.forget(id);
    expect(await limitOf(here, id)).toBe(50);
    await eventually(async () => expect(await limitOf(there, id)).toBe(50));
    // It was dropped and read anew, not read each time.
    const { length } = there.queries;
    await limitOf(there, id);
    expect(there.queries).toHaveLength(length);
  });

  it("is right in two processes as soon as its plan has changed", async () => {
    const { id } = await makeAccount(database.app);
    const processes = [await openProcess(database), await openProcess(database)];
    const limits = () => Promise.all(processes.map((process) => limitOf(process, id)));
    expect(await limits()).toEqual([5, 5]);
    await setLimit(7);
    await eventually(async () => expect(await limits()).toEqual([7, 7]));
    await setLimit(5);
    await eventually(async () => expect(await limits()).toEqual([5, 5]));
  });

  it("is asked for each time, and right, while a process can't hear the others", async () => {
    const { id } = await makeAccount(database.app);
    const postgresUrl = "postgres://nobody@127.0.0.1:1/none";
    const process = await openProcess(database, { postgresUrl });
    expect(await limitOf(process, id)).toBe(5);
    await process.entitlements.track(id, take());
    expect(await process.entitlements.check(id, { feature: "pictures", amount: 5 })).toEqual({
      ...{ allowed: false, quota: "pictures", limit: 5, current: 1 },
      resets_at: expect.any(String),
    });
    expect(process.queries).toHaveLength(3);
    expect(process.counts).toMatchObject({ hits: 0, misses: 2 });
  });

  it("is remembered until it changes by itself, and no longer", async () => {
    const { id } = await makeAccount(database.app);
    const process = await openProcess(database);
    const [row] = await database.admin<{ at: Date }[]>`
      INSERT INTO ducat.feature_overrides (account_id, feature, value, expires_at)
      VALUES (${id}, 'pictures', '9', clock_timestamp() + interval '400 ms')
      RETURNING expires_at AS at`;
    // Once the process has heard of it, it remembers it.
    await eventually(async () => {
      const { length } = process.queries;
      expect(await limitOf(process, id)).toBe(9);
      expect(process.queries).toHaveLength(length);
    });
    await eventually(async () => expect(await limitOf(process, id)).toBe(5));
    expect(Date.now()).toBeGreaterThanOrEqual((row?.at.getTime() ?? 0) - 50);
  });
});

describe("use", () => {
  it("of 100 at once is exactly what the limit has, from two processes", async () => {
    const { id } = await makeAccount(database.app);
    const processes = [await openProcess(database), await openProcess(database)];
    const all = Array.from({ length: 100 }, (_, at) => processes[at % 2]?.entitlements);
    const ends = await Promise.allSettled(all.map((one) => one?.track(id, take())));
    const refused = ends.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(95);
    expect(await refusalOf(processes[0]?.entitlements.track(id, take()) as never)).toMatchObject({
      ...{ code: "quota_exceeded", quota: "pictures", limit: 5, current: 5 },
    });
    expect(await listUsage(database.app, id, { limit: 100 })).toHaveLength(5);
    for (const { counts } of processes) expect(counts.failed).toEqual([]);
  });

  it("is seen by who asks next here, and soon elsewhere", async () => {
    const { id } = await makeAccount(database.app);
    const [here, there] = [await openProcess(database), await openProcess(database)];
    const check = ({ entitlements }: typeof here) =>
      entitlements.check(id, { feature: "pictures", amount: 1 });
    await Promise.all([check(here), check(there)]);
    const used = take({ amount: 3 });
    expect(await here.entitlements.track(id, used)).toMatchObject({ used: 3, replayed: false });
    expect(await check(here)).toMatchObject({ current: 3 });
    await eventually(async () => expect(await check(there)).toMatchObject({ current: 3 }));
    const { length } = here.queries;
    expect(await here.entitlements.track(id, used)).toMatchObject({ used: 3, replayed: true });
    await check(here);
    expect(here.queries).toHaveLength(length + 1);
    await there.entitlements.release(id, used.eventId);
    expect(await check(there)).toMatchObject({ current: 0 });
    await eventually(async () => expect(await check(here)).toMatchObject({ current: 0 }));
  });

  it("that a worker gave back is told to those who remember", async () => {
    const { id } = await makeAccount(database.app);
    const process = await openProcess(database);
    const asked = { feature: "pictures", amount: 1 };
    await process.entitlements.check(id, asked);
    await database.admin`
      INSERT INTO ducat.usage_counters (account_id, feature, period_start, used)
      VALUES (${id}, 'pictures', date_trunc('month', clock_timestamp(), 'UTC'), 4)`;
    const faults: unknown[] = [];
    const dropUsage = createUsageDrops(database.worker, (error) => faults.push(error));
    await Promise.all(Array.from({ length: 30 }, () => dropUsage(id)));
    expect(faults).toEqual([]);
    await eventually(async () =>
      expect(await process.entitlements.check(id, asked)).toMatchObject({ current: 4 }),
    );
  });

  it("is counted as failed when the database can't say, and not when it refuses", async () => {
    const { id } = await makeAccount(database.app);
    const process = await openProcess(database);
    const flag = await refusalOf(process.entitlements.track(id, take({ feature: "unknown" })));
    expect(flag).toMatchObject({ code: "not_found", what: "feature" });
    expect(process.counts.failed).toEqual([]);
    await process.db.end({ timeout: 1 });
    await expect(process.entitlements.track(id, take())).rejects.toThrow();
    await expect(process.entitlements.get(id)).rejects.toThrow();
    expect(process.counts.failed).toEqual(["track", "load"]);
  });
});

describeRedis("what an account may do, with Redis", () => {
  it("is one query for all processes", async () => {
    const { id } = await makeAccount(database.app);
    const redisUrl = inject("redis") ?? "";
    const here = await openProcess(database, { redisUrl });
    const there = await openProcess(database, { redisUrl });
    // Until both are connected each asks for itself.
    await eventually(async () => {
      for (const { entitlements } of [here, there]) await entitlements.forget(id);
      await limitOf(here, id);
      const { length } = there.queries;
      await limitOf(there, id);
      expect(there.queries).toHaveLength(length);
    });
    const override = { feature: "pictures", value: 50, reason: "a test", audit };
    await setFeatureOverride(here.db, id, override);
    await eventually(async () =>
      expect([await limitOf(here, id), await limitOf(there, id)]).toEqual([50, 50]),
    );
  });

  it("stays right when Redis is killed, hangs and comes back, and nobody waits long", async () => {
    const { id } = await makeAccount(database.app);
    const server = await startRedis();
    try {
      const [here, there] = await Promise.all(
        [1, 2].map(() => openProcess(database, { redisUrl: server.url })),
      );
      if (!here || !there) throw new Error("there are two");
      let most = 5;
      const change = async () => {
        const startedAt = performance.now();
        const override = { feature: "pictures", value: ++most, reason: "a test", audit };
        await setFeatureOverride(here.db, id, override);
        await here.entitlements.forget(id);
        expect(await limitOf(here, id)).toBe(most);
        await eventually(async () => expect(await limitOf(there, id)).toBe(most));
        await here.entitlements.track(id, take());
        const checked = await here.entitlements.check(id, { feature: "pictures", amount: 1 });
        expect(checked.current).toBe(most - 5);
        expect(performance.now() - startedAt).toBeLessThan(5_000);
      };
      await change();
      await server.kill();
      await change();
      await server.start();
      await change();
      server.signal("SIGSTOP");
      await change();
      server.signal("SIGCONT");
      await change();
    } finally {
      server.signal("SIGCONT");
      await server.kill();
    }
  });
});
