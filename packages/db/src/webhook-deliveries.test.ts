import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claimOf, letDeliveriesBeDue, makeEndpoint, planEvents, settle } from "../test/webhooks.ts";
import {
  type Claimed,
  claimDeliveries,
  findDelivery,
  listDeliveries,
  releaseDelivery,
} from "./webhook-deliveries.ts";
import { findEndpoint, updateEndpoint } from "./webhook-endpoints.ts";

const database = useDatabase();
const audit = { actor: "test", request_id: "test", ip: null };
const failed = { ok: false, status: 500, error: "answered 500" };

/** An account with an endpoint and some events on their way to it. */
async function setUp({ count = 1 }: { count?: number } = {}) {
  const { id: accountId } = await makeAccount(database.app);
  const { id: endpointId } = await makeEndpoint(database.app, accountId);
  const events = await planEvents(database.admin, accountId, { count, data: { available: 4 } });
  const claim = () => claimOf(database.worker, accountId);
  /** The first that is due; what comes with it is given back. */
  const claimOne = async (): Promise<Claimed> => {
    const [claimed, ...others] = await claim();
    for (const other of others) await releaseDelivery(database.worker, other);
    if (!claimed) throw new Error("nothing was due");
    return claimed;
  };
  return {
    ...{ accountId, endpointId, events, claim, claimOne },
    /** Lets all time pass that something waits for, and claims it. */
    async claimNext() {
      await letDeliveriesBeDue(database.admin, accountId);
      return claimOne();
    },
    find: (id: string) => findDelivery(database.app, accountId, { endpointId, id }),
    endpoint: () => findEndpoint(database.app, accountId, endpointId),
    list: () => listDeliveries(database.app, accountId, { endpointId, limit: 101 }),
  };
}

describe("claim_deliveries", () => {
  it("gives what sending needs, and the same event with each try", async () => {
    const { claimOne, claimNext, events, accountId, endpointId } = await setUp();
    const first = await claimOne();
    expect(first).toMatchObject({
      ...{ accountId, endpointId, kind: "endpoint", url: "https://shop.example/hooks" },
      ...{ attempt: 1, sealedSecrets: [{ sealed: "a secret of the test" }] },
      event: { id: events[0], type: "credits.low", account_id: accountId },
    });
    expect(first.event.data).toEqual({ available: 4 });
    expect(new Date(first.event.created_at).toISOString()).toBe(first.event.created_at);
    await settle(database.worker, first, failed);
    const second = await claimNext();
    expect(second).toEqual({ ...first, attempt: 2, token: second.token });
  });

  it("gives each delivery to one of many workers", async () => {
    const { accountId, claim, endpointId, claimOne } = await setUp({ count: 30 });
    await settle(database.worker, await claimOne());
    const workers = await Promise.all(
      [1, 2, 3, 4, 5, 6].map(() =>
        claimDeliveries(database.worker, { limit: 5, leaseSeconds: 60 }),
      ),
    );
    const taken = workers.flat().filter((claimed) => claimed.accountId === accountId);
    const more = await claim();
    const ids = [...taken, ...more].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    // After the first that has arrived: eight at once.
    expect(ids.length).toBe(8);
    const list = await listDeliveries(database.app, accountId, {
      ...{ endpointId, status: "sending", limit: 101 },
    });
    expect(list).toHaveLength(8);
  });

  it("passes over an endpoint that another worker is at, and waits for nobody", async () => {
    const { accountId, claim } = await setUp({ count: 4 });
    await database.worker.begin(async (sql) => {
      const first = await sql`SELECT account_id FROM ducat.claim_deliveries(100, 60)`;
      expect(first.filter(({ account_id }) => account_id === accountId)).toHaveLength(2);
      expect(await claim()).toEqual([]);
    });
    expect(await claim()).toEqual([]);
  });

  it("gives what a dead worker had when its lease is over, and hears no more from it", async () => {
    const { claimOne, claim, accountId, find } = await setUp();
    const lost = await claimOne();
    expect(await claim()).toEqual([]);
    await database.admin`
      UPDATE ducat.webhook_deliveries SET due_at = clock_timestamp() - interval '1 s'
      WHERE account_id = ${accountId}`;
    await database.admin`
      UPDATE ducat.webhook_endpoints SET due_at = clock_timestamp()
      WHERE account_id = ${accountId}`;
    const again = await claimOne();
    expect(again).toMatchObject({ id: lost.id, attempt: 2, event: lost.event });
    expect(await settle(database.worker, lost)).toBe(null);
    expect(await releaseDelivery(database.worker, lost)).toBe(false);
    expect(await find(lost.id)).toMatchObject({
      ...{ status: "sending", tries: [{ status: null, error: "lost" }] },
    });
    expect(await settle(database.worker, again)).toBe("delivered");
  });

  it("finds a dead worker's delivery by itself", async () => {
    const { accountId, claim } = await setUp();
    await claimDeliveries(database.worker, { limit: 100, leaseSeconds: 0.05 });
    let again: Claimed[] = [];
    while (again.length === 0) again = await claim();
    expect(again).toMatchObject([{ accountId, attempt: 2 }]);
  });

  it("ends what was taken 20 times without a word, and what has lost its event", async () => {
    const { accountId, claim, list, events } = await setUp({ count: 2 });
    const [first = "", second = ""] = events;
    await database.admin`
      UPDATE ducat.webhook_deliveries SET attempts = 20
      WHERE account_id = ${accountId} AND event_id = ${first}`;
    await database.admin`
      DELETE FROM ducat.outbox WHERE account_id = ${accountId} AND id = ${second}`;
    expect(await claim()).toEqual([]);
    expect(await list()).toMatchObject([
      { status: "failed", tries: [{ error: "lost" }] },
      { status: "failed", tries: [{ error: "lost" }] },
    ]);
    expect(await claim()).toEqual([]);
  });

  it("is given back untried by a worker that stops", async () => {
    const { claimOne, claim } = await setUp();
    const first = await claimOne();
    expect(await claim()).toEqual([]);
    expect(await releaseDelivery(database.worker, first)).toBe(true);
    expect(await claimOne()).toMatchObject({ id: first.id, attempt: 1 });
  });
});

describe("settle_delivery", () => {
  it("ends what has arrived, with how long it took", async () => {
    const { claimOne, claim, find, endpoint } = await setUp();
    const claimed = await claimOne();
    expect(await settle(database.worker, claimed, { status: 204, ms: 12.4 })).toBe("delivered");
    expect(await settle(database.worker, claimed)).toBe(null);
    const found = await find(claimed.id);
    expect(found).toMatchObject({ status: "delivered", attempts: 1, next_try_at: null });
    expect(found?.tries).toEqual([
      { at: expect.stringMatching(/^\d{4}-.*\.\d{3}Z$/), status: 204, ms: 12, error: null },
    ]);
    expect(found?.event).toMatchObject({ id: claimed.event.id, data: { available: 4 } });
    expect(await endpoint()).toMatchObject({ failures: 0, failing_since: null });
    expect((await endpoint())?.last_success_at).not.toBe(null);
    expect(await claim()).toEqual([]);
  });

  it("tries ten times, from 5 s to 24 h apart, give or take a fifth", async () => {
    const { claimNext, find } = await setUp();
    const hours = (n: number) => n * 3600;
    const schedule = [5, 300, 1800, ...[2, 5, 10, 14, 20, 24].map(hours)];
    let claimed = await claimNext();
    for (const seconds of schedule) {
      const before = Date.now();
      expect(await settle(database.worker, claimed, failed)).toBe("retry");
      const next = Date.parse((await find(claimed.id))?.next_try_at ?? "") - before;
      expect(next).toBeGreaterThan(seconds * 800 - 100);
      expect(next).toBeLessThan(seconds * 1200 + 5000);
      claimed = await claimNext();
    }
    expect(await settle(database.worker, claimed, failed)).toBe("failed");
    const ended = await find(claimed.id);
    expect(ended).toMatchObject({ status: "failed", attempts: 10, next_try_at: null });
    expect(ended?.tries).toHaveLength(10);
  });

  it("goes on with the schedule after tries that were lost with their workers", async () => {
    const { claimNext, find, accountId } = await setUp();
    const lose = async () => {
      await claimNext();
      await database.admin`
        UPDATE ducat.webhook_deliveries SET due_at = clock_timestamp() - interval '1 s'
        WHERE account_id = ${accountId}`;
    };
    for (let n = 0; n < 9; n++) await lose();
    expect(await settle(database.worker, await claimNext(), failed)).toBe("retry");
    for (let n = 0; n < 2; n++) await lose();
    const before = Date.now();
    const claimed = await claimNext();
    expect(claimed.attempt).toBe(13);
    expect(await settle(database.worker, claimed, failed)).toBe("retry");
    const found = await find(claimed.id);
    const next = Date.parse(found?.next_try_at ?? "") - before;
    expect(next).toBeGreaterThan(240_000);
    expect(next).toBeLessThan(365_000);
    expect(found?.tries.filter(({ error }) => error === "lost")).toHaveLength(11);
  });

  it("keeps the last twenty tries, and a short word about each", async () => {
    const { claimOne, find, accountId } = await setUp();
    const claimed = await claimOne();
    await database.admin`
      UPDATE ducat.webhook_deliveries SET log = (
        SELECT jsonb_agg(jsonb_build_object('at', 'x', 'ms', n)) FROM generate_series(1, 20) AS n)
      WHERE account_id = ${accountId}`;
    await settle(database.worker, claimed, { ok: false, error: "e".repeat(999) });
    const tries = (await find(claimed.id))?.tries ?? [];
    expect(tries).toHaveLength(20);
    expect(tries[0]).toMatchObject({ ms: 2 });
    expect(tries[19]?.error).toHaveLength(200);
  });

  it("leaves an endpoint that fails alone for longer each time, a minute at most", async () => {
    const { claimNext, endpoint } = await setUp({ count: 12 });
    const pauses: number[] = [];
    for (let n = 0; n < 9; n++) {
      const claimed = await claimNext();
      const before = Date.now();
      await settle(database.worker, claimed, failed);
      const { retry_at } = (await endpoint()) ?? {};
      pauses.push(retry_at ? Math.round((Date.parse(retry_at) - before) / 1000) : 0);
    }
    expect(pauses).toEqual([0, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(await endpoint()).toMatchObject({ status: "enabled", failures: 9 });
    await settle(database.worker, await claimNext());
    expect(await endpoint()).toMatchObject({ failures: 0, failing_since: null, retry_at: null });
  });

  it("waits for as long as an endpoint asks, an hour at most", async () => {
    const { claimOne, claim, endpoint, find } = await setUp({ count: 3 });
    const claimed = await claimOne();
    const before = Date.now();
    const busy = { ok: false, status: 429, retryAfterS: 99_999 };
    expect(await settle(database.worker, claimed, busy)).toBe("retry");
    const until = Date.parse((await endpoint())?.retry_at ?? "") - before;
    expect(until).toBeGreaterThan(3_599_000);
    expect(until).toBeLessThan(3_605_000);
    expect(Date.parse((await find(claimed.id))?.next_try_at ?? "")).toBeGreaterThan(
      before + 3_590_000,
    );
    expect(await claim()).toEqual([]);
  });

  it("keeps a pause that was asked for while another try was under way", async () => {
    const { claim, claimNext, endpoint } = await setUp({ count: 4 });
    const [first, second] = await claim();
    if (!first || !second) throw new Error("two were due");
    const busy = { ok: false, status: 429, retryAfterS: 600 };
    expect(await settle(database.worker, first, busy)).toBe("retry");
    // It has begun before, and so says nothing about what came after that.
    expect(await settle(database.worker, second, { ms: 5_000 })).toBe("delivered");
    const paused = await endpoint();
    expect(paused?.last_success_at).not.toBe(null);
    expect(Date.parse(paused?.retry_at ?? "")).toBeGreaterThan(Date.now() + 500_000);
    expect(await claim()).toEqual([]);
    await settle(database.worker, await claimNext(), { ms: 0 });
    expect(await endpoint()).toMatchObject({ retry_at: null, failing_since: null, failures: 0 });
  });

  it("disables an endpoint that says it is gone, and tells its owner once", async () => {
    const { claim, endpoint, list, accountId, endpointId } = await setUp({ count: 4 });
    await database.admin`
      UPDATE ducat.accounts SET email = ${`${accountId}@x.example`} WHERE id = ${accountId}`;
    const [first, second] = await claim();
    if (!first || !second) throw new Error("two were due");
    const gone = { ok: false, status: 410, gone: true };
    expect(await settle(database.worker, first, gone)).toBe("disabled");
    expect(await settle(database.worker, second, gone)).toBe("failed");
    expect(await endpoint()).toMatchObject({ status: "disabled", disabled_reason: "gone" });
    const all = await list();
    expect(all.map(({ status }) => status)).toEqual(["failed", "failed", "failed", "failed"]);
    expect(all[0]?.tries).toMatchObject([{ error: "endpoint_disabled" }]);
    expect(await claim()).toEqual([]);
    const events = await database.admin`
      SELECT data FROM ducat.outbox
      WHERE account_id = ${accountId} AND type = 'webhook_endpoint.disabled'`;
    expect(events).toMatchObject([
      { data: { endpoint_id: endpointId, url: "https://shop.example", reason: "gone" } },
    ]);
    const messages = await database.admin`
      SELECT kind, data FROM ducat.messages WHERE account_id = ${accountId}`;
    expect(messages).toMatchObject([
      { kind: "webhook_disabled", data: { host: "shop.example", reason: "gone" } },
    ]);
  });

  it("names the host of whatever address, and no more of it, to who may read events", async () => {
    const { claim, accountId, endpointId } = await setUp();
    await database.admin`
      UPDATE ducat.accounts SET email = ${`${accountId}@x.example`} WHERE id = ${accountId}`;
    const url = "https://[2606:4700::1111]\\hooks?token=secret";
    await updateEndpoint(database.app, accountId, { id: endpointId, url, audit });
    const [claimed] = await claim();
    if (!claimed) throw new Error("one was due");
    await settle(database.worker, claimed, { ok: false, status: 410, gone: true });
    const [told] = await database.admin`
      SELECT o.data ->> 'url' AS url, m.data ->> 'host' AS host
      FROM ducat.outbox o JOIN ducat.messages m USING (account_id)
      WHERE account_id = ${accountId} AND type = 'webhook_endpoint.disabled'`;
    expect(told).toEqual({ url: "https://[2606:4700::1111]", host: "[2606:4700::1111]" });
  });

  it("disables an endpoint to which nothing was delivered for five days", async () => {
    const { claimNext, endpoint, accountId, list } = await setUp({ count: 3 });
    await settle(database.worker, await claimNext(), failed);
    const age = (days: string) => database.admin`
      UPDATE ducat.webhook_endpoints SET failing_since = clock_timestamp() - ${days}::interval
      WHERE account_id = ${accountId}`;
    await age("4 days 23 hours");
    expect(await settle(database.worker, await claimNext(), failed)).toBe("retry");
    await age("5 days 1 minute");
    // What we couldn't sign is no fault of the receiver's.
    const ours = { ok: false, error: "unsigned" };
    expect(await settle(database.worker, await claimNext(), ours)).toBe("retry");
    expect(await settle(database.worker, await claimNext(), failed)).toBe("disabled");
    expect(await endpoint()).toMatchObject({ status: "disabled", disabled_reason: "failing" });
    expect((await list()).every(({ status }) => status === "failed")).toBe(true);
  });

  it("believes a result that comes when the endpoint was disabled already", async () => {
    const { claim, accountId, endpointId, list } = await setUp({ count: 2 });
    const [first, second] = await claim();
    if (!first || !second) throw new Error("two were due");
    await updateEndpoint(database.app, accountId, { id: endpointId, status: "disabled", audit });
    expect(await settle(database.worker, first)).toBe("delivered");
    expect(await settle(database.worker, second, failed)).toBe("failed");
    expect((await list()).map(({ status }) => status).sort()).toEqual(["delivered", "failed"]);
  });
});
