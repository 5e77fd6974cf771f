import { randomUUID } from "node:crypto";
import { Generation, GenerationPage } from "@ducat/types/generations";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/generations";
const unknownIds = [randomUUID(), "1", "not-a-uuid", "%00", "' OR 1=1 --"];

describe("generations", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());
  const create = async (account: string, more: object = {}) => {
    const made = await stage.call(path, { account, key: randomUUID(), body: order(more) });
    return made.body;
  };

  it("are shown as they are now", async () => {
    const account = await stage.makeAccount();
    const made = await create(account, { areas: ["a", "b", "c"] });
    await settle(stage, account, made, ["completed", "failed", "text"]);
    const shown = await stage.call(`${path}/${made.id}`, { account });
    expect(shown.status).toBe(200);
    const generation = Generation.parse(shown.body);
    expect(generation).toMatchObject({ status: "completed", failed_items: 1, balance: 0, cost: 3 });
    const [picture, failed, text] = generation.items;
    expect(picture?.output).toMatchObject({
      ...{ type: "image/webp", width: 8, height: 6, thumbnail_url: null },
    });
    expect(picture?.processing_time_ms).toBeGreaterThanOrEqual(0);
    expect(failed).toMatchObject({
      status: "failed",
      refunded: 1,
      output: null,
      error: { code: "provider_refused", message: "No." },
      attempts: 1,
    });
    expect(text?.output).toEqual({ text: "A fine chair." });
  });

  it("have outputs with URLs that work for an hour", async () => {
    const account = await stage.makeAccount();
    const made = await create(account);
    await settle(stage, account, made, ["thumbnailed"]);
    const { body } = await stage.call(`${path}/${made.id}`, { account });
    const { url: picture, thumbnail_url } = body.items[0].output;
    const keys = [];
    for (const [address, words] of [
      [picture, "the picture of"],
      [thumbnail_url, "the small one of"],
    ]) {
      const url = new URL(address);
      const file = await stage.app.request(url.pathname + url.search);
      expect(await file.text()).toContain(words);
      const life = Number(url.searchParams.get("expires")) - Date.now() / 1000;
      expect(life).toBeGreaterThan(3590);
      expect(life).toBeLessThan(3910);
      keys.push(url.pathname + url.search);
    }
    await stage.call(`${path}/${made.id}`, { account, method: "DELETE" });
    for (const key of keys) expect((await stage.app.request(key)).status).toBe(404);
  });

  it("are listed newest first, page by page, with filters and a total", async () => {
    const account = await stage.makeAccount(9);
    const ids: string[] = [];
    for (const style of ["modern_minimalist", "cottage_garden", "modern_minimalist"]) {
      ids.unshift((await create(account, { style })).id);
    }
    const list = async (query: string) => {
      const page = await stage.call(`${path}?${query}`, { account });
      expect(page.status).toBe(200);
      return GenerationPage.parse(page.body);
    };
    const idsOf = ({ data }: { data: { id: string }[] }) => data.map(({ id }) => id);
    const first = await list("limit=2&count=true");
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    expect(first.total).toBe(3);
    const second = await list(`limit=2&cursor=${first.next_cursor}`);
    expect(idsOf(second)).toEqual(ids.slice(2));
    expect(second.next_cursor).toBeNull();
    expect(second.total).toBeUndefined();
    expect(idsOf(await list("style=cottage_garden"))).toEqual([ids[1]]);
    expect(idsOf(await list("status=completed"))).toEqual([]);
    const now = encodeURIComponent(new Date(Date.now() + 60_000).toISOString());
    expect(idsOf(await list(`from=${now}`))).toEqual([]);
    expect(idsOf(await list(`to=${now}&status=pending`))).toEqual(ids);
  });

  it.each([
    ["limit=0", "#/query/limit"],
    ["limit=101", "#/query/limit"],
    ["limit=1&limit=2", "#/query/limit"],
    ["status=done", "#/query/status"],
    ["from=yesterday", "#/query/from"],
    ["to=0000-01-01T00:00:00Z", "#/query/to"],
    ["cursor=abc", "#/query/cursor"],
    ["page=2", "#/query/page"],
    [`cursor=${Buffer.from("transaction:5").toString("base64url")}`, "#/query/cursor"],
  ])("refuse the query %s", async (query, pointer) => {
    const account = await stage.makeAccount();
    const refused = await stage.call(`${path}?${query}`, { account });
    expect(refused.status).toBe(422);
    expect(refused.body.errors[0].pointer).toBe(pointer);
  });

  it("are canceled while they wait, and paid back", async () => {
    const account = await stage.makeAccount();
    const made = await create(account, { areas: ["a", "b"] });
    const canceled = await stage.call(`${path}/${made.id}/cancel`, { method: "POST", account });
    expect(canceled.status).toBe(200);
    expect(Generation.parse(canceled.body)).toMatchObject({
      status: "canceled",
      canceled_items: 2,
    });
    const balance = await stage.call("/v1/credits/balance", { account });
    expect(balance.body).toMatchObject({ available: 3, held: 0 });
    const again = await stage.call(`${path}/${made.id}/cancel`, { method: "POST", account });
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({
      status: 409,
      code: "invalid_state",
      current_status: "canceled",
    });
  });

  it("that wait for a slot are woken when those before them in line are canceled", async () => {
    const account = await stage.makeAccount(9);
    const [first, next] = [await create(account, { areas: ["a", "b"] }), await create(account)];
    const limit = [{ feature: "_running", amount: 0, limit: 1, period_start: "-infinity" }];
    await stage.db.admin`
      UPDATE ducat.generations SET usage = ${stage.db.admin.json(limit)}
      WHERE account_id = ${account}`;
    // Both stand in line; a worker was just told of the first, and hasn't come to it.
    await stage.db.admin`
      INSERT INTO ducat.item_slots (account_id, item_id, generation_id, is_waiting)
      SELECT account_id, id, generation_id, true FROM ducat.generation_items
      WHERE account_id = ${account}`;
    await stage.call(`${path}/${first.id}/cancel`, { method: "POST", account });
    await stage.deps.enqueue.drain();
    const woken = `${next.items[0].id}-0-${first.id}-end`;
    const job = await stage.queue.bull("run-item").getJob(woken);
    expect(job?.data).toMatchObject({ accountId: account, itemId: next.items[0].id, attempt: 0 });
  });

  it("are forgotten with their files, and the ledger and the key stay", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const made = await stage.call(path, { account, key, body: order() });
    const one = `${path}/${made.body.id}`;
    const early = await stage.call(one, { method: "DELETE", account });
    expect([early.status, early.body.code]).toEqual([409, "invalid_state"]);
    await settle(stage, account, made.body, ["completed"]);
    const { body } = await stage.call(one, { account });
    const url = new URL(body.items[0].output.url);
    const gone = await stage.call(one, { method: "DELETE", account });
    expect([gone.status, gone.text]).toEqual([204, ""]);
    expect((await stage.app.request(url.pathname + url.search)).status).toBe(404);
    expect((await stage.call(one, { account })).status).toBe(404);
    expect((await stage.call(one, { method: "DELETE", account })).status).toBe(404);
    expect((await stage.call(path, { account })).body.data).toEqual([]);
    const replay = await stage.call(path, { account, key, body: order() });
    expect(replay.status).toBe(404);
    const lines = await stage.call("/v1/credits/transactions", { account });
    expect(lines.body.data).toHaveLength(2);
  });

  it.each(unknownIds)("answer 404 for the id %j, whatever is asked", async (id) => {
    const account = await stage.makeAccount();
    const one = `${path}/${encodeURIComponent(id)}`;
    const answers = await Promise.all([
      stage.call(one, { account }),
      stage.call(one, { account, method: "DELETE" }),
      stage.call(`${one}/cancel`, { account, method: "POST" }),
      stage.call(`${one}/retry`, { account, method: "POST", key: "k" }),
    ]);
    for (const { status, body } of answers) expect([status, body.code]).toEqual([404, "not_found"]);
  });

  it("ask for a key of ours", async () => {
    const refused = await stage.call(path, { account: await stage.makeAccount(), bearer: null });
    expect(refused.status).toBe(401);
  });
});
