import { randomUUID } from "node:crypto";
import { claimWebhookEvent, finishWebhookEvent, storeWebhookEvent } from "@ducat/db/webhook-events";
import { WebhookEvent, WebhookEventPage } from "@ducat/types/webhook-events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/admin/webhook-events";
const secretBody = '{"customer_email":"ada@example.com"}';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

async function store(type = "invoice.paid", provider = "stripe"): Promise<string> {
  const dedupe = randomUUID();
  const event = { provider, mode: "test" as const, dedupe, deliveryId: `evt_${dedupe}`, type };
  const body = Buffer.from(secretBody);
  const { id } = await storeWebhookEvent(stage.db.app, { ...event, occurredAt: new Date(), body });
  return id;
}

async function end(id: string, status: "processed" | "dead", provider = "stripe"): Promise<void> {
  const reach = { providers: [provider], mode: "test" as const, leaseSeconds: 60 };
  const claim = await claimWebhookEvent(stage.db.worker, id, reach);
  if (!claim) throw new Error("nothing to claim");
  await finishWebhookEvent(stage.db.worker, claim, { status, error: "said so" });
}

const list = async (query: string) => {
  const answer = await stage.call(`${path}?${query}`);
  expect(answer.status).toBe(200);
  return { ...WebhookEventPage.parse(answer.body), text: answer.text };
};

describe("the list of webhooks", () => {
  it("is turned page by page, newest first, and shows no body", async () => {
    const type = `type.${randomUUID()}`;
    const ids = [await store(type), await store(type), await store(type)].reverse();
    const first = await list(`type=${type}&limit=2`);
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(first.text).not.toContain("ada@example.com");
    const second = await list(`type=${type}&limit=2&cursor=${first.next_cursor}`);
    expect(second.data.map(({ id }) => id)).toEqual(ids.slice(2));
    expect(second.next_cursor).toBeNull();
  });

  it("is filtered by status, type and provider", async () => {
    const type = `type.${randomUUID()}`;
    const [dead, other] = [await store(type), await store(type, "sandbox")];
    await end(dead, "dead");
    const ids = async (query: string) => (await list(query)).data.map(({ id }) => id);
    expect(await ids(`type=${type}&status=dead`)).toEqual([dead]);
    expect(await ids(`type=${type}&provider=sandbox`)).toEqual([other]);
    expect(await ids(`type=${type}&status=processed`)).toEqual([]);
    for (const query of ["status=lost", "limit=0", "cursor=x", "account=x"]) {
      expect((await stage.call(`${path}?${query}`)).status).toBe(422);
    }
  });
});

describe("a webhook by hand", () => {
  it("is replayed, wakes a worker and leaves an audit line", async () => {
    const id = await store();
    await end(id, "dead");
    const answer = await stage.call(`${path}/${id}/replay`, { method: "POST" });
    expect(answer.status).toBe(200);
    const shown = WebhookEvent.parse(answer.body);
    expect(shown).toMatchObject({ id, status: "received", retry_count: 0, last_error: null });
    await eventually(async () => {
      const job = await stage.queue.bull("process-webhook").getJob(id);
      expect(job?.data).toEqual({ eventId: id });
    });
    const lines = await stage.db.admin`
      SELECT actor, action, request_id FROM ducat.audit_logs WHERE resource_id = ${id}`;
    const request_id = answer.headers.get("x-request-id");
    expect(lines).toEqual([{ actor: "root", action: "webhook_event.replay", request_id }]);
  });

  it("is discarded when it waits or is dead, and not after it was processed", async () => {
    const [waiting, done] = [await store(), await store()];
    await end(done, "processed");
    const discard = (id: string) => stage.call(`${path}/${id}/discard`, { method: "POST" });
    const answer = await discard(waiting);
    expect([answer.status, WebhookEvent.parse(answer.body).status]).toEqual([200, "ignored"]);
    const again = await discard(waiting);
    expect([again.status, again.text]).toEqual([200, answer.text]);
    const refused = await discard(done);
    expect([refused.status, refused.body.code]).toEqual([409, "invalid_state"]);
  });

  it("that isn't there is not found, and nobody without a key gets there", async () => {
    for (const act of ["replay", "discard"]) {
      const call = (id: string) => stage.call(`${path}/${id}/${act}`, { method: "POST" });
      for (const id of [randomUUID(), "x"]) expect((await call(id)).status).toBe(404);
      const anonymous = { method: "POST", bearer: null };
      expect((await stage.call(`${path}/${randomUUID()}/${act}`, anonymous)).status).toBe(401);
    }
    expect((await stage.call(path, { bearer: null })).status).toBe(401);
  });
});

describe("webhooks by a filter", () => {
  const post = (what: string, body: object) => stage.call(`${path}/${what}`, { body });
  const read = async (ids: string[]) => {
    const rows = await stage.db.admin`
      SELECT id, status FROM ducat.webhook_events WHERE id = ANY (${ids}) ORDER BY id`;
    return rows.map(({ status }) => status);
  };

  it("are replayed, the oldest first, with one audit line that names them", async () => {
    const type = `type.${randomUUID()}`;
    const ids = [await store(type), await store(type), await store(type)];
    for (const id of ids) await end(id, "dead");
    const waiting = await store(type);
    const body = { status: "dead", type, provider: "stripe", limit: 2 };
    const dry = await post("replay", { ...body, dry_run: true });
    expect(dry.body).toEqual({ dry_run: true, count: 2, ids: ids.slice(0, 2) });
    expect(await read(ids)).toEqual(["dead", "dead", "dead"]);
    const answer = await post("replay", body);
    expect(answer.body).toEqual({ dry_run: false, count: 2, ids: ids.slice(0, 2) });
    expect(await read([...ids, waiting])).toEqual(["received", "received", "dead", "received"]);
    await eventually(async () => {
      expect(await stage.queue.bull("process-webhook").getJob(ids[1] ?? "")).toBeTruthy();
    });
    const request_id = answer.headers.get("x-request-id");
    const lines = await stage.db.admin`
      SELECT action, metadata FROM ducat.audit_logs WHERE request_id = ${request_id}`;
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      action: "webhook_event.replay_all",
      metadata: { ids: answer.body.ids },
    });
  });

  it("are those of a span of time that still have a body", async () => {
    const type = `type.${randomUUID()}`;
    const [early, empty, late] = [await store(type), await store(type), await store(type)];
    for (const id of [early, empty, late]) await end(id, "dead");
    await stage.db.admin`
      UPDATE ducat.webhook_events SET created_at = '2026-01-02' WHERE id = ${early}`;
    await stage.db.admin`UPDATE ducat.webhook_events SET body = NULL WHERE id = ${empty}`;
    const find = async (more: object) =>
      (await post("replay", { status: "dead", type, dry_run: true, ...more })).body.ids;
    expect(await find({})).toEqual([early, late]);
    expect(await find({ from: "2026-01-02T00:00:00Z", to: "2026-01-03T00:00:00Z" })).toEqual([
      early,
    ]);
    expect(await find({ to: "2026-01-02T00:00:00Z" })).toEqual([]);
    expect(await find({ provider: "sandbox" })).toEqual([]);
  });

  it("are given up, and what a worker has meanwhile done is left", async () => {
    const type = `type.${randomUUID()}`;
    const ids = [await store(type), await store(type)];
    await end(ids[0] ?? "", "processed");
    const answer = await post("discard", { status: "received", type });
    expect(answer.body).toMatchObject({ count: 1, ids: [ids[1]] });
    expect(await read(ids)).toEqual(["processed", "ignored"]);
    for (const body of [{ type }, { status: "processed", type }, { status: "dead", limit: 1001 }]) {
      expect((await post("discard", body)).status).toBe(422);
    }
    expect((await post("replay", { type })).status).toBe(422);
  });

  it("are replayed once by two who ask at the same time", async () => {
    const type = `type.${randomUUID()}`;
    const ids = [await store(type), await store(type)];
    for (const id of ids) await end(id, "dead");
    const body = { status: "dead", type };
    const all = await Promise.all([post("replay", body), post("replay", body)]);
    expect(all.flatMap((one) => one.body.ids).sort()).toEqual([...ids].sort());
  });
});

it("the metrics tell how many webhooks wait and are dead, and for how long", async () => {
  const id = await store();
  await end(await store(), "dead");
  await stage.db.admin`UPDATE ducat.webhook_events
    SET due_at = clock_timestamp() - interval '2 hours' WHERE id = ${id}`;
  const app = await setStage({ deps: { db: stage.db.app, metricsToken: "m".repeat(16) } });
  const { text } = await app.call("/metrics", { bearer: "m".repeat(16) });
  const read = (name: string) =>
    Number(
      text
        .split("\n")
        .find((l) => l.startsWith(name))
        ?.split(" ")[1],
    );
  expect(read('ducat_webhooks{status="dead"}')).toBeGreaterThanOrEqual(1);
  expect(read('ducat_webhooks{status="received"}')).toBeGreaterThanOrEqual(1);
  expect(read("ducat_webhooks_oldest_seconds")).toBeGreaterThanOrEqual(7_200);
  await app.close();
});
