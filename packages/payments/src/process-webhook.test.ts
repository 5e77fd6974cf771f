import { randomUUID } from "node:crypto";
import { replayWebhookEvent } from "@ducat/db/webhook-events";
import { DomainError } from "@ducat/types/errors";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Rig } from "../../billing/test/rig.ts";
import { atOnce, openSessions } from "../../db/test/parallel.ts";
import { useDatabase } from "../../db/test/use-database.ts";
import { credits, openShop, readBooks, receiveAll, rigs, type Shop } from "../test/shop.ts";
import { processWebhook } from "./process-webhook.ts";

const db = useDatabase();
const audit = { actor: "root", request_id: "req_1", ip: null };

type Row = {
  id: string;
  event_type: string;
  status: string;
  retry_count: number;
  last_error: string | null;
  due_at: Date | null;
  waits_for: string | null;
};

const readRow = async (id: string) => {
  const [row] = await db.admin<Row[]>`SELECT * FROM ducat.webhook_events WHERE id = ${id}`;
  if (!row) throw new Error("there is no such event");
  return row;
};
const statuses = async (ids: string[]) =>
  Promise.all(ids.map(async (id) => (await readRow(id)).status));
const letDue = (id: string) =>
  db.admin`UPDATE ducat.webhook_events SET due_at = clock_timestamp() WHERE id = ${id}`;
const countEntries = async (accountId: string) =>
  (
    await db.admin`SELECT count(*) AS n FROM ducat.credit_entries WHERE account_id = ${accountId}`
  )[0]?.n as number;
const listAnomalies = (about: string) =>
  db.admin`SELECT kind, resolved_at FROM ducat.payment_anomalies WHERE about = ${about}`;

describe.each(rigs)("a stored webhook of %s", (name, start) => {
  let rig: Rig;
  let shop: Shop;
  beforeAll(async () => {
    rig = await start();
    shop = await openShop(db, rig);
  });
  afterAll(() => rig.close());

  const buy = async () => {
    const order = await shop.order("pack");
    await rig.pay(order.page);
    return order;
  };
  const paymentRefOf = async (accountId: string) => {
    const [row] = await db.admin`SELECT provider_ref FROM ducat.payments
      WHERE account_id = ${accountId}`;
    return String(row?.provider_ref);
  };

  it("of a paid pack gives its credits once, whatever else tells of the payment", async () => {
    const { accountId } = await buy();
    const ids = await shop.hear();
    expect(await readBooks(db, accountId)).toMatchObject({ available: 3 + credits.pack, debt: 0 });
    expect(new Set(await statuses(ids))).toEqual(new Set(["processed"]));
    const entries = await countEntries(accountId);
    for (const id of ids) {
      await replayWebhookEvent(db.app, id, audit);
      expect(await processWebhook(shop.deps, id)).toBe("processed");
    }
    expect(await countEntries(accountId)).toBe(entries);
  });

  it("gives one credit when many workers take it, and its other events, at once", async () => {
    const { accountId } = await buy();
    const ids = await shop.receive();
    const sessions = await openSessions(db.url, "ducat_worker", 8);
    const all = Array.from({ length: 8 }, () => ids).flat();
    const ends = await Promise.all(
      atOnce(sessions, all.length, (session, n) =>
        processWebhook({ ...shop.deps, db: session }, all[n] ?? ""),
      ),
    );
    expect(ends.filter((end) => end === "processed")).toHaveLength(ids.length);
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.pack);
  });

  it("that tells of a refund first is woken by its payment", async () => {
    const { accountId } = await buy();
    const paid = await shop.receive();
    const [first = ""] = paid;
    const body = (await db.admin`SELECT body FROM ducat.webhook_events WHERE id = ${first}`)[0]
      ?.body as Buffer;
    const facts = (await rig.provider.parseStoredWebhook?.(body))?.facts ?? [];
    const told = facts.find((fact) => fact.kind === "payment.succeeded");
    const ref = told?.kind === "payment.succeeded" ? told.paymentRef : "";
    await rig.refundThere?.(ref, 400);
    const refunds = await shop.hear();
    const waiting = await Promise.all(refunds.map(readRow));
    expect(waiting.map(({ status, waits_for }) => [status, waits_for])).toContainEqual([
      "received",
      ref,
    ]);
    expect((await readBooks(db, accountId)).available).toBe(3);
    await shop.process(paid);
    await shop.process(refunds);
    expect(new Set(await statuses([...paid, ...refunds]))).toEqual(new Set(["processed"]));
    const { reversed, charged } = (
      await db.admin`SELECT reversed, charged FROM ducat.payments
      WHERE account_id = ${accountId}`
    )[0] as { reversed: number; charged: number };
    expect(reversed).toBe(400);
    const clawed = Math.ceil((credits.pack * 400) / charged);
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.pack - clawed);
  });

  it("that nobody can place is an anomaly after a quarter of an hour, until it can be", async () => {
    const { accountId } = await buy();
    const paid = await shop.receive();
    const shown = await db.admin`SELECT body FROM ducat.webhook_events WHERE id = ${paid[0] ?? ""}`;
    const parsed = await rig.provider.parseStoredWebhook?.(shown[0]?.body as Buffer);
    const fact = parsed?.facts.find((one) => one.kind === "payment.succeeded");
    const ref = fact?.kind === "payment.succeeded" ? fact.paymentRef : "";
    await rig.refundThere?.(ref, 1);
    const refunds = await shop.hear();
    await db.admin`UPDATE ducat.webhook_events
      SET due_at = clock_timestamp(), unknown_since = unknown_since - interval '16 minutes'
      WHERE id = ANY (${refunds}::uuid[]) AND waits_for IS NOT NULL`;
    await shop.process(refunds);
    expect(await statuses(refunds)).toContain("ignored");
    expect(await listAnomalies(ref)).toMatchObject([{ kind: "unknown_order", resolved_at: null }]);
    // Late, but it comes: what was given up is taken up again.
    await shop.process(paid);
    await shop.process(refunds);
    expect(new Set(await statuses(refunds))).toEqual(new Set(["processed"]));
    expect((await listAnomalies(ref))[0]?.resolved_at).not.toBeNull();
    expect((await readBooks(db, accountId)).available).toBeLessThan(3 + credits.pack);
  });

  it("of a refund in parts, then of the whole, takes back exactly the part", async () => {
    const { accountId } = await buy();
    await shop.hear();
    const ref = await paymentRefOf(accountId);
    const [row] = await db.admin`SELECT charged FROM ducat.payments
      WHERE account_id = ${accountId}`;
    const charged = Number(row?.charged);
    for (const [part, sum] of [
      [333, 333],
      [100, 433],
      [charged - 433, charged],
    ] as const) {
      await rig.refundThere?.(ref, part);
      await shop.hear();
      const left = credits.pack - Math.ceil((credits.pack * sum) / charged);
      expect((await readBooks(db, accountId)).available).toBe(3 + left);
    }
  });

  it("of a subscription gives one refill, though two events tell of one invoice", async () => {
    const { accountId, page } = await shop.order("small");
    await rig.pay(page);
    const sent = await rig.takeDeliveries();
    const ids = await receiveAll(db, rig, sent);
    const copies = sent.flatMap(({ raw }) => copyEvent(name, raw.toString("utf8")) ?? []);
    const more = await receiveAll(
      db,
      rig,
      copies.map((body) => rig.sign?.(body)).filter((one) => one !== undefined),
    );
    await shop.process([...more, ...ids]);
    expect(new Set(await statuses([...ids, ...more]))).not.toContain("dead");
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.small);
    const subscriptions = await db.admin`SELECT status FROM ducat.subscriptions
      WHERE account_id = ${accountId}`;
    expect(subscriptions).toMatchObject([{ status: "active" }]);
  });

  it("waits while its provider is away, and loses nothing by it", async () => {
    const { accountId, page } = await shop.order("small");
    await rig.pay(page);
    const ids = await shop.receive();
    const away = {
      ...rig.provider,
      fetchSubscription: rig.remake({ timeoutMs: 50 }).fetchSubscription,
    };
    for (let n = 0; n < ids.length * 3; n += 1) rig.faults.add(fetchCall(name), "hang");
    const deps = { ...shop.deps, providers: new Map([[name, away as typeof rig.provider]]) };
    for (const id of ids) await processWebhook(deps, id);
    const rows = await Promise.all(ids.map(readRow));
    const waiting = rows.filter(({ status }) => status === "received");
    expect(waiting.length).toBeGreaterThan(0);
    for (const row of waiting) expect(row.last_error).toContain("provider_unavailable");
    rig.faults.clear();
    for (const { id } of waiting) await letDue(id);
    await shop.process(ids);
    await shop.process(ids);
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.small);
  });

  it("is dead at once when its provider refuses for good, and can be replayed", async () => {
    const { accountId, page } = await shop.order("small");
    await rig.pay(page);
    const ids = await shop.receive();
    const refusing = {
      ...rig.provider,
      fetchSubscription: async () => {
        throw new DomainError("invalid_state", { detail: "The provider said no." });
      },
    };
    const deps = { ...shop.deps, providers: new Map([[name, refusing]]) };
    for (const id of ids) await processWebhook(deps, id);
    const rows = await Promise.all(ids.map(readRow));
    const dead = rows.filter(({ status }) => status === "dead");
    expect(dead.length).toBeGreaterThan(0);
    for (const row of dead) {
      expect(row).toMatchObject({ due_at: null, retry_count: 1 });
      expect(row.last_error).toBe("invalid_state: The provider said no.");
      await replayWebhookEvent(db.app, row.id, audit);
    }
    await shop.process(ids);
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.small);
  });

  it("waits untouched while its provider is not set up here", async () => {
    const { accountId } = await buy();
    const ids = await shop.receive();
    for (const id of ids) {
      expect(await processWebhook({ ...shop.deps, providers: new Map() }, id)).toBeUndefined();
      expect(await readRow(id)).toMatchObject({ status: "received", retry_count: 0 });
    }
    await shop.process(ids);
    expect((await readBooks(db, accountId)).available).toBe(3 + credits.pack);
  });

  it("is tried again after a fault of ours, of which no word is kept", async () => {
    await buy();
    const [id = ""] = await shop.receive();
    const broken = {
      ...rig.provider,
      parseStoredWebhook: async () => {
        throw new TypeError("sk_live_secret of ada@example.com");
      },
    };
    const deps = { ...shop.deps, providers: new Map([[name, broken]]) };
    expect(await processWebhook(deps, id)).toBe("received");
    const row = await readRow(id);
    expect(row).toMatchObject({ last_error: "TypeError", retry_count: 1 });
    expect(row.due_at?.getTime()).toBeGreaterThan(Date.now());
    expect(JSON.stringify(shop.lines)).not.toContain("sk_live_secret");
    await letDue(id);
    expect(await processWebhook(shop.deps, id)).toBe("processed");
  });

  it("whose workers died a hundred times is dead", async () => {
    await buy();
    const [id = ""] = await shop.receive();
    await db.admin`UPDATE ducat.webhook_events SET retry_count = 100 WHERE id = ${id}`;
    expect(await processWebhook(shop.deps, id)).toBe("dead");
  });
});

/** The call by which an adapter asks for a subscription. */
const fetchCall = (name: string) =>
  name === "stripe"
    ? "GET /v1/subscriptions"
    : name === "sandbox"
      ? "get"
      : "GET /v1/subscriptions";

/** The same event under another id, as providers now and then make two; undefined for others. */
function copyEvent(name: string, body: string): string | undefined {
  const event = JSON.parse(body);
  if (name === "lemonsqueezy") {
    if (event.meta.event_name !== "subscription_payment_success") return undefined;
    event.meta.webhook_id = randomUUID();
    event.meta.event_name = "subscription_payment_recovered";
    event.data.attributes.updated_at = new Date().toISOString();
  } else {
    if (event.type !== "invoice.paid") return undefined;
    event.id = `evt_${randomUUID()}`;
  }
  return JSON.stringify(event);
}
