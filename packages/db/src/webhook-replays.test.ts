import { describe, expect, it } from "vitest";
import { makeAccount } from "../test/factories.ts";
import { useDatabase } from "../test/use-database.ts";
import { claimOf, letDeliveriesBeDue, makeEndpoint, planEvents, settle } from "../test/webhooks.ts";
import { readPage } from "./slices.ts";
import {
  findDelivery,
  listDeliveries,
  type ReplayWish,
  readDeliveryBacklog,
  replayDeliveries,
  replayDelivery,
  searchDeliveries,
} from "./webhook-deliveries.ts";
import { deploymentId, updateEndpoint } from "./webhook-endpoints.ts";

const database = useDatabase();
const audit = { actor: "root", request_id: "request-1", ip: null };

/** An account with an endpoint. */
async function setUp() {
  const { id: accountId } = await makeAccount(database.app);
  const { id: endpointId } = await makeEndpoint(database.app, accountId);
  const set = (status: "enabled" | "disabled") =>
    updateEndpoint(database.app, accountId, { id: endpointId, status, audit });
  return {
    ...{ accountId, endpointId },
    plan: (type: string, count = 1) => planEvents(database.admin, accountId, { type, count }),
    disable: () => set("disabled"),
    enable: () => set("enabled"),
    list: (status?: "failed" | "delivered") =>
      listDeliveries(database.app, accountId, { endpointId, limit: 101, status }),
    replay: (wish: Partial<ReplayWish>) =>
      replayDeliveries(database.app, accountId, {
        ...{ endpointId, audit, what: "failed", limit: 1000, dryRun: false },
        ...wish,
      }),
    /** Delivers all that is due. */
    async deliver() {
      const ids: string[] = [];
      for (;;) {
        await letDeliveriesBeDue(database.admin, accountId);
        const claimed = await claimOf(database.worker, accountId);
        if (claimed.length === 0) return ids.sort();
        for (const one of claimed) {
          ids.push(one.event.id);
          await settle(database.worker, one);
        }
      }
    },
  };
}

describe("a replay of one delivery", () => {
  it("sends it again under the same id, with a log that goes on", async () => {
    const { accountId, endpointId, plan, deliver, list } = await setUp();
    const [event = ""] = await plan("credits.low");
    await deliver();
    const [sent] = await list();
    const id = sent?.id ?? "";
    const again = await replayDelivery(database.app, accountId, { endpointId, id, audit });
    expect(again).toMatchObject({ id, status: "pending", attempts: 0, ended_at: null });
    expect(again.tries).toHaveLength(1);
    expect(await deliver()).toEqual([event]);
    const found = await findDelivery(database.app, accountId, { endpointId, id });
    expect(found).toMatchObject({ status: "delivered", attempts: 1 });
    expect(found?.tries).toHaveLength(2);
  });

  it("leaves one that is on its way alone, and makes one that waits due", async () => {
    const { accountId, endpointId, plan } = await setUp();
    await plan("credits.low", 3);
    const [sending, failing] = await claimOf(database.worker, accountId);
    if (!sending || !failing) throw new Error("two were due");
    const replay = (id: string) =>
      replayDelivery(database.app, accountId, { endpointId, id, audit });
    expect(await replay(sending.id)).toMatchObject({ status: "sending", attempts: 1 });
    expect(await settle(database.worker, failing, { ok: false })).toBe("retry");
    const due = await replay(failing.id);
    expect(Date.parse(due.next_try_at ?? "")).toBeLessThan(Date.now() + 1000);
    expect(await settle(database.worker, sending)).toBe("delivered");
  });

  it("is refused when the endpoint is disabled, or the event is no longer kept", async () => {
    const { accountId, endpointId, plan, disable, enable, list } = await setUp();
    const [event = ""] = await plan("credits.low");
    await disable();
    const [delivery] = await list();
    const wish = { endpointId, id: delivery?.id ?? "", audit };
    const replay = () => replayDelivery(database.app, accountId, wish);
    await expect(replay()).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "endpoint_disabled" } } },
    });
    await enable();
    await database.admin`
      DELETE FROM ducat.outbox WHERE account_id = ${accountId} AND id = ${event}`;
    await expect(replay()).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "event_removed" } } },
    });
    const found = await findDelivery(database.app, accountId, wish);
    expect(found).toMatchObject({ id: wish.id, event: null });
  });
});

describe("a replay of many", () => {
  it("brings back what disabling gave up, the oldest first, as many as asked for", async () => {
    const { plan, disable, enable, replay, deliver } = await setUp();
    const events = await plan("credits.low", 5);
    await disable();
    await enable();
    expect(await replay({ limit: 3, dryRun: true })).toEqual(events.slice(0, 3));
    expect(await deliver()).toEqual([]);
    expect(await replay({ limit: 3 })).toEqual(events.slice(0, 3));
    expect(await deliver()).toEqual(events.slice(0, 3));
    expect(await replay({})).toEqual(events.slice(3));
    expect(await replay({})).toEqual([]);
  });

  it("goes on after an event, since what arrived again is found again", async () => {
    const { plan, deliver, replay } = await setUp();
    const events = await plan("credits.low", 5);
    await deliver();
    const delivered = { what: "delivered", limit: 2 } as const;
    const got: string[] = [];
    let ids = await replay(delivered);
    for (let n = 0; n < 3; n++) {
      got.push(...ids);
      await deliver();
      ids = await replay({ ...delivered, after: got.at(-1) });
    }
    expect(got).toEqual(events);
    expect(await replay({ ...delivered, after: events[4], dryRun: true })).toEqual([]);
    const missed = { what: "missed", after: events[0] } as const;
    await database.admin`DELETE FROM ducat.webhook_deliveries WHERE event_id = ANY (${events})`;
    expect(await replay(missed)).toEqual(events.slice(1));
  });

  it("searches before it locks, so that nobody who numbers events waits for it", async () => {
    const { plan, disable, enable, replay, accountId } = await setUp();
    await plan("credits.low", 3);
    await disable();
    await enable();
    await database.admin.begin(async (sql) => {
      await sql`SELECT FROM ducat.webhook_endpoints WHERE account_id = ${accountId} FOR UPDATE`;
      for (const what of ["failed", "delivered", "missed"] as const) {
        expect(await replay({ what, dryRun: true })).toHaveLength(what === "failed" ? 3 : 0);
      }
    });
    const both = await Promise.all([replay({}), replay({})]);
    expect(both.map(({ length }) => length).sort()).toEqual([0, 3]);
  });

  it("takes a type and a span of time", async () => {
    const { plan, deliver, replay, accountId } = await setUp();
    const [made = ""] = await plan("credits.low");
    const [{ id: old }] = await database.admin<[{ id: string }]>`
      UPDATE ducat.outbox SET created_at = clock_timestamp() - interval '2 h',
        id = ducat.first_id_at(clock_timestamp() - interval '2 h')
      WHERE account_id = ${accountId} AND id = ${made} RETURNING id`;
    await database.admin`
      UPDATE ducat.webhook_deliveries SET event_id = ${old}
      WHERE account_id = ${accountId} AND event_id = ${made}`;
    const [fresh] = await plan("credits.low");
    const [other] = await plan("payment.failed");
    await deliver();
    const hourAgo = new Date(Date.now() - 3_600_000);
    const delivered = { what: "delivered", dryRun: true } as const;
    expect(await replay({ ...delivered, type: "credits.low" })).toEqual([old, fresh]);
    expect(await replay({ ...delivered, from: hourAgo })).toEqual([fresh, other]);
    expect(await replay({ ...delivered, to: hourAgo })).toEqual([old]);
    expect(await replay({ ...delivered, from: new Date(0) })).toEqual([old, fresh, other]);
    await database.admin`DELETE FROM ducat.webhook_deliveries WHERE account_id = ${accountId}`;
    const missed = { what: "missed", dryRun: true, type: "credits.low" } as const;
    expect(await replay(missed)).toEqual([old, fresh]);
    expect(await replay({ ...missed, from: hourAgo })).toEqual([fresh]);
    expect(await replay({ ...missed, to: hourAgo })).toEqual([old]);
  });

  it("finds what an endpoint has missed while it was disabled, once", async () => {
    const { plan, disable, enable, replay, deliver, accountId } = await setUp();
    await plan("credits.low");
    await deliver();
    await disable();
    const missed = await plan("credits.low", 2);
    await plan("item.failed");
    await database.admin`
      INSERT INTO ducat.outbox (account_id, type, data, seq)
      VALUES (${accountId}, 'credits.low', '{}', NULL)`;
    await enable();
    expect(await replay({ what: "missed", dryRun: true })).toEqual(missed);
    const [one, two] = await Promise.all([replay({ what: "missed" }), replay({ what: "missed" })]);
    expect([one, two].map(({ length }) => length).sort()).toEqual([0, 2]);
    expect(await deliver()).toEqual(missed);
    expect(await replay({ what: "missed" })).toEqual([]);
  });

  it("has an audit line, and does not look for what the deployment missed", async () => {
    const { id } = await makeEndpoint(database.app, deploymentId);
    const wish = { endpointId: id, audit, limit: 10, dryRun: false };
    const replay = (what: "failed" | "missed") =>
      replayDeliveries(database.app, deploymentId, { ...wish, what });
    expect(await replay("failed")).toEqual([]);
    await expect(replay("missed")).rejects.toMatchObject({
      ...{ code: "invalid_state", detail: { extra: { reason: "deployment" } } },
    });
    const lines = await database.admin`
      SELECT account_id, actor, action, metadata FROM ducat.audit_logs WHERE resource_id = ${id}
      ORDER BY id DESC LIMIT 1`;
    expect(lines).toMatchObject([
      {
        ...{ account_id: null, actor: "root", action: "webhook_endpoint.replay" },
        metadata: { filter: { what: "failed" }, count: 0 },
      },
    ]);
  });
});

describe("lists of deliveries", () => {
  it("are newest first, go on from an id, and take filters", async () => {
    const { accountId, endpointId, plan, list, disable } = await setUp();
    const events = [...(await plan("credits.low", 2)), ...(await plan("payment.failed", 2))];
    const all = await list();
    expect(all.map(({ event_id }) => event_id)).toEqual(events.reverse());
    const page = await listDeliveries(database.app, accountId, {
      ...{ endpointId, limit: 1, before: all[1]?.id },
    });
    expect(page).toEqual([all[2]]);
    const some = await listDeliveries(database.app, accountId, {
      ...{ endpointId, limit: 9, type: "payment.failed", from: new Date(Date.now() - 60_000) },
    });
    expect(some).toHaveLength(2);
    const ever = { from: new Date(0), to: new Date("9999-12-31T23:59:59.999Z") };
    const listed = await listDeliveries(database.app, accountId, {
      ...{ endpointId, limit: 9, ...ever },
    });
    expect(listed).toEqual(all);
    await disable();
    expect(await list("failed")).toHaveLength(4);
    expect(await list("delivered")).toEqual([]);
  });

  it("of all accounts say whose endpoint and whose event it was", async () => {
    const { accountId, endpointId, plan } = await setUp();
    const own = await makeEndpoint(database.app, deploymentId, { events: ["quota.reached"] });
    await plan("quota.reached");
    const search = async (filter: Parameters<typeof searchDeliveries>[1]) => {
      const list = searchDeliveries(database.app, filter);
      return (await readPage(list, { before: undefined, limit: 10 })).rows;
    };
    const both = await search({ accountId, type: "quota.reached" });
    expect(both.map(({ owner_id, endpoint_id }) => [owner_id, endpoint_id])).toEqual(
      expect.arrayContaining([
        [accountId, endpointId],
        [null, own.id],
      ]),
    );
    expect(both.every(({ account_id, kind }) => account_id === accountId && kind)).toBe(true);
    expect(await search({ endpointId: own.id })).toHaveLength(1);
    expect(await search({ accountId, status: "delivered" })).toEqual([]);
    const backlog = await readDeliveryBacklog(database.worker);
    expect(backlog.waiting).toBeGreaterThanOrEqual(2);
    expect(backlog.oldestSeconds).toBeGreaterThan(0);
  });
});
