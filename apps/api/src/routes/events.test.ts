import { randomUUID } from "node:crypto";
import { relayEvents } from "@ducat/db/events";
import { completeItem } from "@ducat/db/items";
import { saveProgress } from "@ducat/db/progress";
import { EventPage } from "@ducat/types/event-streams";
import { Event } from "@ducat/types/events";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type OpenStream,
  openEvents,
  type SseEvent,
  type StreamCall,
} from "../../test/read-stream.ts";
import { claim, settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
let open: OpenStream[] = [];
beforeAll(async () => {
  stage = await setStage();
});
afterEach(async () => {
  await Promise.all(open.map((stream) => stream.close()));
  open = [];
});
afterAll(() => stage.close());

/** A stream of this app, which is left after the test. */
async function listen(path: string, call: StreamCall = {}): Promise<OpenStream> {
  const stream = await openEvents((to, init) => stage.app.request(to, init), path, call);
  open.push(stream);
  return stream;
}

const relay = async (account: string) => {
  await relayEvents(stage.db.worker, { limit: 500 });
  stage.deps.bus.publish({ accountId: account });
};
const make = async (account: string, more: object = {}) =>
  (await stage.call("/v1/generations", { account, key: randomUUID(), body: order(more) })).body;
const adjust = (account: string, amount = 1) =>
  stage.call(`/v1/admin/accounts/${account}/credits`, {
    ...{ key: randomUUID(), body: { amount, reason: "test" } },
  });
const types = (stream: OpenStream) => stream.events.map(({ type }) => type);

describe("GET /v1/events", () => {
  it("lists what happened, a page after the other, and what has come since", async () => {
    const account = await stage.makeAccount(20);
    await adjust(account);
    await relay(account);
    const first = await stage.call("/v1/events?limit=2", { account });
    expect(first.status).toBe(200);
    const page = EventPage.parse(first.body);
    expect(page.data.map(({ type, account_id }) => [type, account_id])).toEqual([
      ["credits.granted", account],
      ["credits.granted", account],
    ]);
    expect(page.next_cursor).toBe(page.data[1]?.id);
    const second = await stage.call(`/v1/events?after=${page.next_cursor}`, { account });
    const rest = EventPage.parse(second.body);
    expect(rest).toMatchObject({ next_cursor: null, data: [{ type: "credits.granted" }] });
    await adjust(account);
    await relay(account);
    const third = await stage.call(`/v1/events?after=${rest.data[0]?.id}`, { account });
    expect(third.body.data).toHaveLength(1);
  });

  it("has only those of the types that are asked for", async () => {
    const account = await stage.makeAccount(5);
    const made = await make(account);
    await settle(stage, account, made, ["failed"]);
    await relay(account);
    const path = "/v1/events?type=generation.failed,credits.refunded";
    const { body } = await stage.call(path, { account });
    expect(body.data.map(({ type }: { type: string }) => type).sort()).toEqual([
      "credits.refunded",
      "generation.failed",
    ]);
    const bad = await stage.call("/v1/events?type=generation.failed,nothing", { account });
    expect([bad.status, bad.body.errors[0].pointer]).toEqual([422, "#/query/type"]);
  });

  it("knows no event of another account", async () => {
    const account = await stage.makeAccount(5);
    const other = await stage.makeAccount(5);
    await relay(account);
    const { body } = await stage.call("/v1/events", { account });
    const refused = await stage.call(`/v1/events?after=${body.data[0].id}`, { account: other });
    expect([refused.status, refused.body.code]).toEqual([404, "not_found"]);
  });
});

describe("GET /v1/generations/{id}/events", () => {
  it("tells the work as it goes on, the ends, and closes; then there is nothing more", async () => {
    const account = await stage.makeAccount(20);
    const made = await make(account, { areas: ["front", "back"] });
    const path = `/v1/generations/${made.id}/events`;
    const stream = await listen(path, { account });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    const item = await claim(stage, account, made.id, made.items[0].id);
    stage.deps.bus.publish({ accountId: account, generationId: made.id });
    await stream.until(({ type }) => type === "item.started");
    const { attempt } = item;
    const about = { accountId: account, generationId: made.id, itemId: made.items[0].id, attempt };
    for (const [fraction, text] of [
      [0.25, "A f"],
      [0.5, "A fine 🪑."],
    ] as const) {
      await saveProgress(stage.db.worker, [{ ...about, fraction, text }]);
      stage.deps.bus.publish({ accountId: account, generationId: made.id });
      await stream.until(({ data }) => data.fraction === fraction);
    }
    await stream.until(({ data }) => data.text?.includes("🪑"));
    await completeItem(stage.db.worker, item, {
      output: { kind: "text", text: "A fine 🪑." },
      usage: {},
    });
    await settle(stage, account, { id: made.id, items: made.items.slice(1) }, ["failed"]);
    stage.deps.bus.publish({ accountId: account, generationId: made.id });
    await stream.ended;
    expect(types(stream)).toEqual([
      ...["item.started", "item.progress", "item.text", "item.progress", "item.text"],
      ...["item.completed", "item.failed", "generation.completed"],
    ]);
    const [started, , text, , more, completed, failed, end] = stream.events;
    expect(started?.data).toEqual({
      ...{ generation_id: made.id, item_id: about.itemId, position: 0, label: "front", attempt: 1 },
    });
    expect([text?.data.offset, text?.data.text]).toEqual([0, "A f"]);
    expect([more?.data.offset, more?.data.text]).toEqual([3, "ine 🪑."]);
    const { body } = await stage.call(`/v1/generations/${made.id}`, { account });
    expect(completed?.data).toEqual({ generation_id: made.id, ...body.items[0] });
    expect(failed?.data).toEqual({ generation_id: made.id, ...body.items[1] });
    const { items: _, ...whole } = body;
    expect(end?.data).toEqual(whole);
    const again = await listen(path, { account, lastId: end?.id });
    expect([again.status, again.events]).toEqual([204, []]);
    const late = await listen(path, { account });
    await late.ended;
    expect(types(late)).toEqual(["item.completed", "item.failed", "generation.completed"]);
  });

  it("goes on from now at a place that was lost, as when a backup was restored", async () => {
    const account = await stage.makeAccount(20);
    const made = await make(account, { areas: ["front", "back"] });
    const after = async (n: number) => {
      const stream = await listen(`/v1/generations/${made.id}/events?after=g1.${n}`, { account });
      await stream.until(({ type }) => type === "item.started");
      return stream;
    };
    const item = await claim(stage, account, made.id, made.items[0].id);
    const streams = [await after(2), await after(3)];
    await completeItem(stage.db.worker, item, { output: { kind: "text", text: "" }, usage: {} });
    await settle(stage, account, { id: made.id, items: made.items.slice(1) }, ["failed"]);
    stage.deps.bus.publish({ accountId: account, generationId: made.id });
    for (const stream of streams) {
      await stream.ended;
      expect(types(stream).filter((type) => !type.endsWith(".started"))).toEqual([
        ...["item.completed", "item.failed", "generation.completed"],
      ]);
    }
  });

  it("is 404 for what another account has made, and for what is nobody's", async () => {
    const account = await stage.makeAccount(5);
    const other = await stage.makeAccount(5);
    const { id } = await make(account);
    for (const one of [id, randomUUID()]) {
      const refused = await stage.call(`/v1/generations/${one}/events`, { account: other });
      expect([refused.status, refused.body.code]).toEqual([404, "not_found"]);
    }
  });
});

describe("GET /v1/events/stream", () => {
  it("begins with the balance and goes on with what happens, each with its place", async () => {
    const account = await stage.makeAccount(20);
    await relay(account);
    const stream = await listen("/v1/events/stream", { account });
    const first = await stream.until(() => true);
    expect(first).toMatchObject({ type: "balance", data: { available: 23, held: 0, debt: 0 } });
    const made = await make(account);
    await stream.until(({ type, data }) => type === "balance" && data.held === made.cost);
    await settle(stage, account, made, ["failed"]);
    await relay(account);
    await stream.until(({ type }) => type === "generation.failed");
    await stream.until(({ type, data }) => type === "balance" && data.held === 0);
    const told = stream.events.filter(({ type }) => !/^balance$|^item\.(started|text)/.test(type));
    for (const { data } of told) expect(Event.parse(data)).toMatchObject({ account_id: account });
    expect(told.map(({ type }) => type).sort()).toEqual(
      ["credits.refunded", "generation.failed", "item.failed"].sort(),
    );
    const [, second] = stream.events;
    await stream.close();
    const rest = stream.events.slice(2);
    const again = await listen("/v1/events/stream", { account, lastId: second?.id });
    // Of the balance and the work it is told the newest, of what happened all.
    const happened = (events: SseEvent[]) =>
      events.filter(({ data }) => "account_id" in data).map(({ data }) => data);
    await again.until(() => happened(again.events).length === happened(rest).length);
    expect(happened(again.events)).toEqual(happened(rest));
  });

  it("goes on from now at a place that was lost, as when a backup was restored", async () => {
    const account = await stage.makeAccount(5);
    await relay(account);
    const stream = await listen("/v1/events/stream?after=a1.999999.-", { account });
    await stream.until(({ type }) => type === "balance");
    await adjust(account);
    await relay(account);
    await stream.until(({ type }) => type === "credits.granted");
  });

  it("refuses a place that is none", async () => {
    const account = await stage.makeAccount();
    const bad = await stage.call("/v1/events/stream", {
      ...{ account, headers: { "last-event-id": "a1.1.1_x" } },
    });
    expect([bad.status, bad.body.errors[0].pointer]).toEqual([422, "#/header/Last-Event-ID"]);
    const query = await stage.call("/v1/events/stream?after=g1.1", { account });
    expect([query.status, query.body.errors[0].pointer]).toEqual([422, "#/query/after"]);
  });

  it("takes the header where an address has an older place", async () => {
    const account = await stage.makeAccount(5);
    await relay(account);
    const old = await listen("/v1/events/stream?after=a1.0.0_0", { account });
    await old.until(({ type }) => type === "balance");
    expect(old.events.length).toBe(3);
    const at = old.events[1]?.id;
    const again = await listen("/v1/events/stream?after=a1.0.0_0", { account, lastId: at });
    await again.until(({ type }) => type === "balance");
    expect(again.events).toEqual(old.events.slice(2));
  });
});

describe("tickets", () => {
  const take = async (account: string, body: object = {}, bearer?: string) =>
    await stage.call("/v1/events/tickets", { account, body, ...(bearer && { bearer }) });

  it("open one stream, once", async () => {
    const account = await stage.makeAccount(5);
    const { status, body } = await take(account);
    expect([status, Object.keys(body)]).toEqual([201, ["ticket", "expires_at"]]);
    const path = `/v1/events/stream?ticket=${body.ticket}`;
    const head = await stage.call(path, { bearer: null, method: "HEAD" });
    expect(head.status).toBe(401);
    const stream = await listen(path, { bearer: null });
    expect(stream.status).toBe(200);
    await stream.until(({ type }) => type === "balance");
    const again = await stage.call(path, { bearer: null });
    expect([again.status, again.body.code]).toEqual([401, "unauthenticated"]);
  });

  it("of a generation open its stream and no other", async () => {
    const account = await stage.makeAccount(20);
    const [one, other] = [await make(account), await make(account)];
    const ticket = async () => (await take(account, { generation_id: one.id })).body.ticket;
    const ask = async (path: string) =>
      await stage.call(`${path}?ticket=${await ticket()}`, { bearer: null });
    expect((await ask(`/v1/generations/${one.id}/events`)).status).toBe(200);
    expect((await ask(`/v1/generations/${other.id}/events`)).status).toBe(401);
    expect((await ask("/v1/events/stream")).status).toBe(401);
    expect((await ask("/v1/events")).status).toBe(401);
    expect((await ask(`/v1/generations/${one.id}`)).status).toBe(401);
    const foreign = await take(await stage.makeAccount(), { generation_id: one.id });
    expect([foreign.status, foreign.body.code]).toEqual([404, "not_found"]);
  });

  it("have the rights of who asked for them, and end with the credential", async () => {
    const account = await stage.makeAccount(5);
    const { id } = await make(account);
    const token = await stage.call(`/v1/accounts/${account}/tokens`, {
      ...{ method: "POST", body: { scopes: ["events"], expires_in: 30 } },
    });
    const { body } = await take(account, {}, token.body.token);
    const refused = await stage.call(`/v1/generations/${id}/events?ticket=${body.ticket}`, {
      bearer: null,
    });
    expect([refused.status, refused.body.code]).toEqual([403, "forbidden"]);
    const [row] = await stage.db.admin<{ n: number }[]>`
      SELECT count(*)::int AS n FROM ducat.stream_tickets WHERE account_id = ${account}`;
    expect(row?.n).toBe(0);
    await take(account, {}, token.body.token);
    const [kept] = await stage.db.admin<{ ends: Date }[]>`
      SELECT ends_at AS ends FROM ducat.stream_tickets WHERE account_id = ${account}`;
    expect(kept?.ends.toISOString()).toBe(token.body.expires_at);
  });

  it("are nothing when they are of another form", async () => {
    for (const ticket of ["", "x", "a".repeat(32), "%00", "dk_test_x", "a".repeat(90)]) {
      const refused = await stage.call(`/v1/events/stream?ticket=${ticket}`, { bearer: null });
      expect([refused.status, refused.body.code]).toEqual([401, "unauthenticated"]);
    }
    expect(stage.lines.join("")).not.toContain("ticket=");
  });
});
