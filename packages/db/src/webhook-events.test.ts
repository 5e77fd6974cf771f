import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { atOnce, openSessions } from "../test/parallel.ts";
import { useDatabase } from "../test/use-database.ts";
import { readPage } from "./slices.ts";
import { listWebhookEvents, type WebhookFilter } from "./webhook-event-list.ts";
import {
  claimWebhookEvent,
  clearWebhookBodies,
  discardWebhookEvent,
  findDueWebhookEvents,
  finishWebhookEvent,
  readWebhookBacklog,
  replayWebhookEvent,
  reviveWebhookEvents,
  storeWebhookEvent,
} from "./webhook-events.ts";

const db = useDatabase();
const audit = { actor: "root", request_id: "req_1", ip: null };
const reach = { providers: ["stripe"], mode: "test" as const, leaseSeconds: 60 };

const makeEvent = (more: Partial<Parameters<typeof storeWebhookEvent>[1]> = {}) => {
  const id = `evt_${randomUUID()}`;
  return {
    provider: "stripe",
    mode: "test" as const,
    dedupe: id,
    deliveryId: id,
    type: "invoice.paid",
    occurredAt: new Date(),
    body: Buffer.from('{"ä":"\\u0000"}'),
    ...more,
  };
};
const store = async (more = {}) => (await storeWebhookEvent(db.app, makeEvent(more))).id;
const claim = (id: string, more = {}) => claimWebhookEvent(db.worker, id, { ...reach, ...more });
const mustClaim = async (id: string) => {
  const claimed = await claim(id);
  if (!claimed) throw new Error("nothing was claimed");
  return claimed;
};
const read = async (id: string) =>
  (await db.admin`SELECT * FROM ducat.webhook_events WHERE id = ${id}`)[0] as Record<
    string,
    unknown
  >;
const letLeaseLapse = (id: string) =>
  db.admin`UPDATE ducat.webhook_events SET due_at = clock_timestamp() WHERE id = ${id}`;

describe("a webhook event", () => {
  it("is stored once however often it is delivered, also at the same moment", async () => {
    const event = makeEvent();
    const sessions = await openSessions(db.url, "ducat_app", 8);
    const stored = await Promise.all(atOnce(sessions, 24, (one) => storeWebhookEvent(one, event)));
    expect(new Set(stored.map(({ id }) => id)).size).toBe(1);
    expect(stored.filter(({ isNew }) => isNew)).toHaveLength(1);
    const again = await storeWebhookEvent(db.app, { ...event, body: Buffer.from("other") });
    expect(again).toEqual({ id: stored[0]?.id, status: "received", isNew: false });
    expect((await read(again.id)).body).toEqual(event.body);
  });

  it("is another one at another provider or in the other mode", async () => {
    const event = makeEvent();
    const ids = [
      await store(event),
      await store({ ...event, mode: "live" }),
      await store({ ...event, provider: "sandbox" }),
    ];
    expect(new Set(ids).size).toBe(3);
  });

  it("is refused when a name or its body is too long", async () => {
    for (const more of [
      { dedupe: "x".repeat(301) },
      { deliveryId: "x".repeat(301) },
      { type: "x".repeat(101) },
      { body: Buffer.alloc(1024 * 1024 + 1) },
    ]) {
      await expect(store(more)).rejects.toMatchObject({ code: "validation_failed" });
    }
  });

  it("can't be read by the API's role but through the functions, which show no body", async () => {
    await store();
    await expect(db.app`SELECT id FROM ducat.webhook_events`).rejects.toMatchObject({
      code: "42501",
    });
    const page = { before: undefined, floor: undefined, limit: 1 };
    const [shown] = await listWebhookEvents(db.app, {}).read(page);
    expect(shown).toMatchObject({ status: "received", has_body: true });
    expect(Object.keys(shown ?? {})).not.toContain("body");
    expect(JSON.stringify(shown)).not.toContain("lease");
  });
});

describe("a claim", () => {
  it("is given to one of many workers, with the bytes as they came", async () => {
    const event = makeEvent();
    const { id } = await storeWebhookEvent(db.app, event);
    const sessions = await openSessions(db.url, "ducat_worker", 8);
    const claims = await Promise.all(
      atOnce(sessions, 24, (one) => claimWebhookEvent(one, id, reach)),
    );
    const mine = claims.filter((one) => one !== undefined);
    expect(mine).toHaveLength(1);
    expect(mine[0]).toMatchObject({ id, tries: 1, unknown_seconds: null, provider: "stripe" });
    expect(Buffer.from(mine[0]?.body ?? [])).toEqual(event.body);
    expect(await findDueWebhookEvents(db.worker, { ...reach, limit: 500 })).not.toContain(id);
  });

  it("finds nothing at another provider, in the other mode or after the end", async () => {
    const id = await store();
    expect(await claim(id, { providers: ["sandbox"] })).toBeUndefined();
    expect(await claim(id, { mode: "live" })).toBeUndefined();
    const due = (more: object) =>
      findDueWebhookEvents(db.worker, { ...reach, limit: 500, ...more });
    expect(await due({ providers: ["sandbox"] })).not.toContain(id);
    expect(await due({})).toContain(id);
    expect(await finishWebhookEvent(db.worker, await mustClaim(id), { status: "processed" })).toBe(
      true,
    );
    expect(await claim(id)).toBeUndefined();
    expect(await read(id)).toMatchObject({ status: "processed", due_at: null });
  });

  it("that was lost writes nothing any more", async () => {
    const id = await store();
    const lost = await mustClaim(id);
    await letLeaseLapse(id);
    const next = await mustClaim(id);
    expect(next.tries).toBe(2);
    const end = { status: "dead", error: "late" } as const;
    expect(await finishWebhookEvent(db.worker, lost, end)).toBe(false);
    expect(await read(id)).toMatchObject({ status: "received", last_error: null });
    const retry = { status: "received", error: "later", delaySeconds: 60 } as const;
    expect(await finishWebhookEvent(db.worker, next, retry)).toBe(true);
    expect(await claim(id)).toBeUndefined();
    expect(await read(id)).toMatchObject({ status: "received", last_error: "later" });
  });
});

describe("an event that can't be placed", () => {
  it("remembers since when, and is woken when what it waits for has come", async () => {
    const id = await store();
    const name = `pi_${randomUUID()}`;
    const wait = { status: "received", error: "unknown", delaySeconds: 0, waitsFor: name } as const;
    await finishWebhookEvent(db.worker, await mustClaim(id), wait);
    const since = (await read(id)).unknown_since;
    const second = await mustClaim(id);
    expect(second.unknown_seconds).toBeGreaterThanOrEqual(0);
    await finishWebhookEvent(db.worker, second, { status: "ignored", waitsFor: name });
    expect(await read(id)).toMatchObject({ status: "ignored", unknown_since: since });
    const about = { provider: "stripe", mode: "test" as const, about: ["other", name] };
    expect(await reviveWebhookEvents(db.worker, { ...about, mode: "live" })).toBe(0);
    expect(await reviveWebhookEvents(db.worker, about)).toBe(1);
    expect(await reviveWebhookEvents(db.worker, about)).toBe(0);
    expect(await mustClaim(id)).toMatchObject({ unknown_seconds: null });
  });

  it("that is woken while a worker gives it up stays awake", async () => {
    const id = await store();
    const name = `pi_${randomUUID()}`;
    const wait = { status: "received", error: "unknown", delaySeconds: 0, waitsFor: name } as const;
    await finishWebhookEvent(db.worker, await mustClaim(id), wait);
    const claimed = await mustClaim(id);
    await reviveWebhookEvents(db.worker, { provider: "stripe", mode: "test", about: [name] });
    expect(await claim(id)).toBeUndefined();
    const end = { status: "ignored", waitsFor: name } as const;
    expect(await finishWebhookEvent(db.worker, claimed, end)).toBe(false);
    expect(await read(id)).toMatchObject({ status: "received" });
    await letLeaseLapse(id);
    await mustClaim(id);
  });
});

describe("by hand an event", () => {
  it("is replayed from any state, with an audit line each", async () => {
    for (const status of ["processed", "ignored", "dead"] as const) {
      const id = await store();
      const end = { status, error: "said so" };
      await finishWebhookEvent(db.worker, await mustClaim(id), end);
      const shown = await replayWebhookEvent(db.app, id, audit);
      expect(shown).toMatchObject({ id, status: "received", retry_count: 0, last_error: null });
      expect(shown.retried_at).not.toBeNull();
      expect(await mustClaim(id)).toMatchObject({ tries: 1 });
      const lines = await db.admin`SELECT metadata FROM ducat.audit_logs
        WHERE resource_id = ${id} AND action = 'webhook_event.replay'`;
      expect(lines).toEqual([{ metadata: { before: status } }]);
    }
  });

  it("can't be replayed once its body is gone, and a dead one's body stays", async () => {
    const [old, dead] = [await store(), await store()];
    await finishWebhookEvent(db.worker, await mustClaim(old), { status: "processed" });
    await finishWebhookEvent(db.worker, await mustClaim(dead), { status: "dead", error: "x" });
    await db.admin`UPDATE ducat.webhook_events
      SET created_at = created_at - interval '41 days' WHERE id IN (${old}, ${dead})`;
    expect(await clearWebhookBodies(db.worker, { days: 40, limit: 100 })).toBe(1);
    await expect(replayWebhookEvent(db.app, old, audit)).rejects.toMatchObject({
      code: "invalid_state",
    });
    expect((await read(dead)).body).not.toBeNull();
  });

  it("is discarded once, and never after it was processed", async () => {
    const id = await store();
    const claimed = await mustClaim(id);
    const first = await discardWebhookEvent(db.app, id, audit);
    expect(first).toMatchObject({ status: "ignored", resolved_by: "root" });
    expect(await discardWebhookEvent(db.app, id, audit)).toEqual(first);
    expect(await finishWebhookEvent(db.worker, claimed, { status: "processed" })).toBe(false);
    const done = await store();
    await finishWebhookEvent(db.worker, await mustClaim(done), { status: "processed" });
    await expect(discardWebhookEvent(db.app, done, audit)).rejects.toMatchObject({
      code: "invalid_state",
    });
  });

  it("that isn't there answers not_found", async () => {
    const id = randomUUID();
    for (const act of [replayWebhookEvent, discardWebhookEvent]) {
      await expect(act(db.app, id, audit)).rejects.toMatchObject({ code: "not_found" });
    }
  });

  it("is listed newest first, by status, type and provider, page by page", async () => {
    const type = `type.${randomUUID()}`;
    const ids = [await store({ type }), await store({ type }), await store({ type })].reverse();
    await finishWebhookEvent(db.worker, await mustClaim(ids[0]!), { status: "dead", error: "x" });
    const list = async (filter: WebhookFilter, page: { limit?: number; before?: string } = {}) => {
      const all = listWebhookEvents(db.app, { type, ...filter });
      const { rows } = await readPage(all, { before: undefined, limit: 10, ...page });
      return rows.map(({ id }) => id);
    };
    expect(await list({})).toEqual(ids);
    expect(await list({}, { limit: 2 })).toEqual(ids.slice(0, 2));
    expect(await list({}, { before: ids[1]! })).toEqual(ids.slice(2));
    expect(await list({ status: "dead" })).toEqual(ids.slice(0, 1));
    expect(await list({ provider: "sandbox" })).toEqual([]);
    expect(await list({ from: new Date(Date.now() + 60_000) })).toEqual([]);
    expect(await list({ to: new Date(Date.now() - 60_000) })).toEqual([]);
  });
});

it("the backlog tells what is dead and how long the first event has been due", async () => {
  const before = await readWebhookBacklog(db.app);
  const [late, dead] = [await store(), await store()];
  await finishWebhookEvent(db.worker, await mustClaim(dead), { status: "dead", error: "x" });
  await db.admin`UPDATE ducat.webhook_events
    SET due_at = clock_timestamp() - interval '1 hour' WHERE id = ${late}`;
  const after = await readWebhookBacklog(db.app);
  expect(after.dead).toBe(before.dead + 1);
  expect(after.waiting).toBe(before.waiting + 1);
  expect(after.oldestSeconds).toBeGreaterThanOrEqual(3_600);
});
