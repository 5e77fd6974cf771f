import { randomUUID } from "node:crypto";
import { Estimate, Generation } from "@ducat/types/generations";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeQueues } from "../../../../infra/test/describe-queues.ts";
import { settle } from "../../test/settle.ts";
import { type Call, order, type Stage, setStage } from "../../test/stage.ts";

const path = "/v1/generations";

describe("asking for a generation", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage();
  });
  afterAll(() => stage.close());
  const create = (account: string, body: object = order(), more: Call = {}) =>
    stage.call(path, { account, key: randomUUID(), body, ...more });
  const countRows = async (account: string) => {
    const [row] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.generations WHERE account_id = ${account}`;
    return row?.n;
  };

  it("answers 201 with every item pending and what was paid", async () => {
    const account = await stage.makeAccount(5);
    const made = await create(
      account,
      order({
        areas: ["Front", { label: "Back" }, {}, "Roof"],
        reference: "r-1",
        metadata: { a: 1 },
      }),
    );
    expect(made.status).toBe(201);
    const generation = Generation.parse(made.body);
    expect(generation).toMatchObject({
      style: { id: "modern_minimalist", version: 1 },
      input: { type: "text", prompt: "a garden" },
      params: {},
      reference: "r-1",
      metadata: { a: 1 },
      status: "pending",
      cost: 4,
      charged: { trial: 3, token: 1 },
      credit_type: "mixed",
      balance: 4,
      completed_at: null,
      retry_of: null,
    });
    expect(
      generation.items.map(({ label, position, status, cost }) => [label, position, status, cost]),
    ).toEqual([
      ["Front", 0, "pending", 1],
      ["Back", 1, "pending", 1],
      [null, 2, "pending", 1],
      ["Roof", 3, "pending", 1],
    ]);
    expect(made.headers.get("idempotent-replayed")).toBeNull();
  });

  it("hands the items to the queue", async () => {
    const account = await stage.makeAccount();
    const made = await create(account, order({ areas: ["a", "b"] }));
    await stage.deps.enqueue.drain();
    for (const { id: itemId } of made.body.items) {
      const job = await stage.queue.bull("run-item").getJob(`${itemId}-0`);
      const generationId = made.body.id;
      expect(job?.data).toEqual({ accountId: account, generationId, itemId, attempt: 0 });
    }
  });

  it("says what was paid with by kind", async () => {
    const account = await stage.makeAccount(1);
    const trial = await create(account, order({ areas: ["a", "b", "c"] }));
    const token = await create(account);
    expect([trial.body.credit_type, token.body.credit_type]).toEqual(["trial", "token"]);
  });

  it("refuses with 402 what the account can't pay, and the key stays usable", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const body = order({ areas: ["a", "b", "c", "d"] });
    const refused = await create(account, body, { key });
    expect(refused.status).toBe(402);
    expect(refused.body).toMatchObject({
      code: "insufficient_credits",
      required: 4,
      available: 3,
      subject: null,
    });
    expect(await countRows(account)).toBe(0);
    const path = `/v1/admin/accounts/${account}/credits`;
    await stage.call(path, { key: randomUUID(), body: { amount: 1, reason: "more" } });
    const paid = await create(account, body, { key });
    expect(paid.status).toBe(201);
    expect(paid.headers.get("idempotent-replayed")).toBeNull();
  });

  it("answers twenty parallel requests with one key, and one after the end, alike", async () => {
    const account = await stage.makeAccount();
    const key = randomUUID();
    const ask = () => create(account, order({ params: { n: 1.5, a: { b: [1] } } }), { key });
    const all = await Promise.all(Array.from({ length: 20 }, ask));
    await settle(stage, account, all[0]?.body, ["completed"]);
    all.push(await ask());
    expect(all.map(({ status }) => status)).toEqual(Array(21).fill(201));
    expect(new Set(all.map(({ text }) => text)).size).toBe(1);
    const marks = all.map(({ headers }) => headers.get("idempotent-replayed"));
    expect(marks.filter((mark) => mark === "true")).toHaveLength(20);
    expect(await countRows(account)).toBe(1);
    const [entries] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.credit_entries
      WHERE account_id = ${account} AND type = 'generation'`;
    expect(entries?.n).toBe(1);
  });

  it("does not mind the order of members, nor whether the key is quoted", async () => {
    const account = await stage.makeAccount();
    const first = await create(account, order({ reference: "r" }), { key: "k 1" });
    const again = await create(account, { reference: "r", ...order() }, { key: '"k 1"' });
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
  });

  it("refuses another body under a used key, and makes no row", async () => {
    const account = await stage.makeAccount();
    await create(account, order(), { key: "k" });
    const other = await create(account, order({ reference: "other" }), { key: "k" });
    expect([other.status, other.body.code]).toEqual([422, "idempotency_conflict"]);
    expect(await countRows(account)).toBe(1);
  });

  it("keeps the keys of two accounts apart", async () => {
    const [a, b] = [await stage.makeAccount(), await stage.makeAccount()];
    const first = await create(a, order({ reference: "canary-of-a" }), { key: "shared" });
    const second = await create(b, order({ reference: "b" }), { key: "shared" });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.text).not.toContain("canary-of-a");
    expect(second.body.id).not.toBe(first.body.id);
  });

  it.each([
    ["no key", undefined, 400, "idempotency_key_required"],
    ["an empty key", "", 400, "idempotency_key_required"],
    ["a key of 256 characters", "x".repeat(256), 422, "validation_failed"],
    ["half a string", '"unclosed', 422, "validation_failed"],
    ["an accent", "caf\u00e9", 422, "validation_failed"],
  ])("refuses %s", async (_, key, status, code) => {
    const account = await stage.makeAccount();
    const refused = await create(account, order(), { key });
    expect([refused.status, refused.body.code]).toEqual([status, code]);
    expect(await countRows(account)).toBe(0);
  });

  it("refuses an unknown style, account or no account", async () => {
    const account = await stage.makeAccount();
    const style = await create(account, order({ style: "nonesuch" }));
    expect([style.status, style.body.what]).toEqual([404, "style"]);
    expect((await create(randomUUID())).status).toBe(404);
    const nobody = await stage.call(path, { key: "k", body: order() });
    expect([nobody.status, nobody.body.code]).toEqual([400, "account_required"]);
  });

  it.each([
    ["/input", { input: { type: "photo" } }],
    ["/input", { input: { type: "photo", photo_id: randomUUID(), photo_url: "https://x.org/a" } }],
    ["/input/photo_url", { input: { type: "photo", photo_url: "file:///etc/passwd" } }],
    ["/input/photo_id", { input: { type: "photo", photo_id: randomUUID() } }],
    ["/input/type", { input: { type: "video" } }],
    ["/input/prompt", { input: { type: "text", prompt: "" } }],
    ["/input/photo_key", { input: { type: "text", prompt: "x", photo_key: "y" } }],
    ["/areas", { areas: [] }],
    ["/areas", { areas: Array(101).fill("x") }],
    ["/areas/0", { areas: ["x".repeat(201)] }],
    ["/areas/0/label", { areas: [{ label: 5 }] }],
    ["/areas/0/price", { areas: [{ label: "x", price: 0 }] }],
    ["/params/simulate", { params: { simulate: "explode" } }],
    ["/params", { params: { a: { b: { c: { d: { e: 1 } } } } } }],
    ["/params", { params: { a: "x".repeat(4100) } }],
    ["/metadata", { metadata: { a: "x".repeat(8200) } }],
    ["/metadata", { metadata: Object.fromEntries([...Array(51).keys()].map((n) => [n, n])) }],
    ["/metadata", { metadata: { a: ["\ud800"] } }],
    ["/subject", { subject: "x".repeat(256) }],
    ["/unit_cost", { unit_cost: 0 }],
  ])("refuses a body whose %s is wrong", async (pointer, more) => {
    const account = await stage.makeAccount();
    const refused = await create(account, order(more));
    expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
    expect(refused.body.errors[0].pointer).toBe(pointer);
    expect(await countRows(account)).toBe(0);
  });

  it("estimates without taking anything", async () => {
    const account = await stage.makeAccount(1);
    const body = order({ areas: Array(5).fill("x") });
    const estimate = await stage.call(`${path}/estimate`, { account, body });
    expect(estimate.status).toBe(200);
    expect(Estimate.parse(estimate.body)).toEqual({
      style: { id: "modern_minimalist", version: 1 },
      items: 5,
      cost: 5,
      price: { unit: 1, lines: [{ kind: "base", credits: 1 }] },
      charged: { trial: 3, token: 2 },
      credit_type: "mixed",
      available: 4,
      quota: null,
      sufficient: false,
    });
    const balance = await stage.call("/v1/credits/balance", { account });
    expect(balance.body.available).toBe(4);
  });

  it("retries what failed or was canceled, as a new generation that is paid anew", async () => {
    const account = await stage.makeAccount(5);
    const made = await create(account, order({ areas: ["a", "b", "c"], reference: "r" }));
    const retryPath = `${path}/${made.body.id}/retry`;
    const early = await stage.call(retryPath, { method: "POST", account, key: randomUUID() });
    expect([early.status, early.body.code]).toEqual([409, "invalid_state"]);
    await settle(stage, account, made.body, ["completed", "failed"]);
    await stage.call(`${path}/${made.body.id}/cancel`, { method: "POST", account });
    const key = randomUUID();
    const retry = await stage.call(retryPath, { method: "POST", account, key });
    expect(retry.status).toBe(201);
    expect(retry.body).toMatchObject({ retry_of: made.body.id, cost: 2, reference: "r" });
    expect(Generation.parse(retry.body).items.map(({ label }) => label)).toEqual(["b", "c"]);
    const again = await stage.call(retryPath, { method: "POST", account, key });
    expect(again.text).toBe(retry.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    const stranger = await stage.makeAccount();
    const foreign = await stage.call(retryPath, { method: "POST", account: stranger, key: "k" });
    expect(foreign.status).toBe(404);
    const keyless = await stage.call(retryPath, { method: "POST", account });
    expect(keyless.body.code).toBe("idempotency_key_required");
  });
});

describe("live mode", () => {
  it("refuses to simulate", async () => {
    const stage = await setStage({ deps: { mode: "live" } });
    const account = await stage.makeAccount();
    const body = order({ params: { simulate: "error" } });
    const refused = await stage.call(path, { account, key: "k", body });
    expect(refused.body.errors).toEqual([
      { pointer: "/params/simulate", detail: "This is for test mode only." },
    ]);
    await stage.close();
  });
});

describeQueues("fifty parallel creates with credits for seven", (queue) => {
  it("accept seven and refuse the rest with 402", async () => {
    const stage = await setStage({ queue });
    const account = await stage.makeAccount(4);
    const all = await Promise.all(
      Array.from({ length: 50 }, () =>
        stage.call(path, { account, key: randomUUID(), body: order() }),
      ),
    );
    const statuses = all.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(7).fill(201), ...Array(43).fill(402)]);
    await stage.deps.enqueue.drain();
    expect((await stage.queue.counts("run-item")).waiting).toBe(7);
    await stage.close();
  });
});

describe("with the queue down", () => {
  it("a generation is accepted all the same, and the log says so", async () => {
    const stage = await setStage({ queue: "down" });
    const account = await stage.makeAccount();
    const made = await stage.call(path, { account, key: "k", body: order() });
    expect(made.status).toBe(201);
    await stage.deps.enqueue.drain();
    expect(stage.lines.join("")).toContain("not enqueued: the sweeper will do it");
    await stage.close();
  });
});
