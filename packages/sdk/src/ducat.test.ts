import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { makePhoto } from "../../../apps/api/test/pictures.ts";
import { order, rootKey, type Stage, setStage } from "../test/stage.ts";
import { createDucat } from "./ducat.ts";
import { type DucatError, type ErrorCode, isDucatError } from "./errors.ts";
import type { Answer, Input } from "./operations.ts";
import type { Generation, Image, Upload } from "./types.ts";

describe("a client", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage({ hasWorker: true });
  });
  afterAll(() => stage.close());

  it("creates a generation and waits until it has ended", async () => {
    const ducat = await stage.createClient();
    const ended = await ducat.generations.createAndWait({ ...order(), areas: ["Front", "Back"] });
    expect(ended.status).toBe("completed");
    expect(ended.items.map(({ label }) => label)).toEqual(["Front", "Back"]);
    expect(await ducat.generations.wait(ended.id)).toMatchObject({ id: ended.id });
    const { available } = await ducat.credits.balance();
    expect(available).toBe(23 - ended.cost);
  });

  it("says when it has waited for long enough, of what goes on", async () => {
    const ducat = await stage.createClient();
    const slow = { ...order(), params: { ...order().params, simulate: "slow" as const } };
    const { id } = await ducat.generations.create(slow);
    const asked = ducat.generations.wait(id, { waitMs: 20 });
    await expect(asked).rejects.toMatchObject({ code: "timed_out" });
    expect((await ducat.generations.cancel(id)).id).toBe(id);
  });

  it("does once what has a key of your own, also from another process", async () => {
    const one = await stage.createClient();
    const other = await stage.createClient({ account: one.account });
    const body = order();
    const made = await one.generations.create(body, { idempotencyKey: "order-4711" });
    const again = await other.generations.create(body, { idempotencyKey: "order-4711" });
    expect(again).toEqual(made);
    const changed = other.generations.create(order(), { idempotencyKey: "order-4711" });
    await expect(changed).rejects.toMatchObject({ code: "idempotency_conflict", status: 422 });
  });

  it("uploads bytes, files and streams, and restyles one of them", async () => {
    const ducat = await stage.createClient();
    const photo = await makePhoto(64, 48);
    const padded = Buffer.concat([Buffer.alloc(7), photo]).subarray(7);
    const sources = [
      photo,
      padded,
      new Blob([new Uint8Array(photo)]),
      new Uint8Array(photo).buffer,
      Readable.from([photo.subarray(0, 9), photo.subarray(9)]),
      new Blob([new Uint8Array(photo)]).stream(),
    ];
    const made = await Promise.all(sources.map((one) => ducat.uploads.create(one)));
    expect(made.map(({ width, height }) => [width, height])).toEqual(sources.map(() => [64, 48]));
    const [{ id: photo_id = "" } = {}] = made;
    const body = { style: "modern_minimalist", input: { type: "photo" as const, photo_id } };
    expect(await ducat.generations.createAndWait(body)).toMatchObject({ status: "completed" });
  });

  it("refuses a picture that is too large before all of it is read", async () => {
    const ducat = await stage.createClient();
    const chunk = new Uint8Array(1024 * 1024);
    let read = 0;
    async function* endless() {
      for (;;) {
        read += 1;
        yield chunk;
      }
    }
    await expect(ducat.uploads.create(endless())).rejects.toMatchObject({
      code: "payload_too_large",
    });
    expect(read).toBe(16);
  });

  it("reads lists to their end, page by page, and no further than it is asked", async () => {
    const ducat = await stage.createClient({}, 0);
    for (let n = 1; n <= 5; n++) await ducat.albums.create({ name: `album ${n}` });
    const names = [];
    for await (const { name } of ducat.albums.list({ limit: 2 })) names.push(name);
    expect(names.sort()).toEqual([1, 2, 3, 4, 5].map((n) => `album ${n}`));
    const list = ducat.albums.list({ limit: 2, count: "true" });
    const first = await list.page();
    const second = await list.page(first.next_cursor ?? undefined);
    expect([first.total, first.data.length, second.data.length]).toEqual([5, 2, 2]);
    for await (const { name } of list) {
      expect(name).toBe(first.data[0]?.name);
      break;
    }
  });

  it("takes a CSV for a batch, and gives its results back as a file", async () => {
    const ducat = await stage.createClient();
    const { style, params } = order();
    const file = "label,prompt\nA-1,a pond\nA-2,a hedge\n";
    const metadata = { from: "shop" };
    const { id } = await ducat.generations.batch({ style, params, file, metadata });
    const ended = await ducat.generations.wait(id);
    expect([ended.status, ended.metadata]).toEqual(["completed", { from: "shop" }]);
    const labels = [];
    for await (const { label } of ducat.generations.items(id)) labels.push(label);
    expect(labels).toEqual(["A-1", "A-2"]);
    const csv = await (await ducat.generations.results(id)).text();
    expect(csv.trim().split("\r\n")).toHaveLength(3);
    const zip = await ducat.generations.results(id, { format: "zip" });
    expect(
      Buffer.from(await zip.arrayBuffer())
        .subarray(0, 2)
        .toString(),
    ).toBe("PK");
    await ducat.generations.delete(id);
    await expect(ducat.generations.get(id)).rejects.toMatchObject({ code: "not_found" });
  });

  it("tells refusals by their code, with what the code has to say", async () => {
    const ducat = await stage.createClient({}, 0);
    const refusal = await ducat.credits.consume({ amount: 5, description: "x" }).catch((e) => e);
    if (!isDucatError(refusal, "insufficient_credits")) return expect.unreachable();
    expectTypeOf(refusal.extra.required).toEqualTypeOf<number>();
    expect(refusal.extra).toMatchObject({ required: 5, available: 3 });
    expect([refusal.status, refusal.requestId]).toEqual([402, expect.stringMatching(/.{8}/)]);
    expect(isDucatError(refusal, "quota_exceeded")).toBe(false);

    const wrong = ducat.credits.consume({ amount: -1, description: "" });
    await expect(wrong).rejects.toMatchObject({
      code: "validation_failed",
      errors: [{ pointer: "/amount" }, { pointer: "/description" }],
    });
    const nobody = createDucat({ baseUrl: stage.baseUrl, key: "dk_test_none" });
    const asked = nobody.credits.balance();
    await expect(asked).rejects.toMatchObject({ code: "unauthenticated", status: 401 });
  });

  it("acts for one account after another, and in a browser's name by its token", async () => {
    const server = createDucat({ baseUrl: `${stage.baseUrl}/`, key: rootKey });
    await expect(server.credits.balance()).rejects.toMatchObject({ code: "account_required" });
    const external_id = `sdk-${crypto.randomUUID()}`;
    const { id } = await server.accounts.create({ external_id });
    expect(await server.credits.balance({ account: external_id })).toMatchObject({ available: 3 });
    const token = async () => (await server.accounts.createToken(id)).token;
    const browser = createDucat({ baseUrl: stage.baseUrl, token });
    expect(await browser.credits.balance()).toMatchObject({ available: 3 });
    const asked = browser.request("GET /v1/admin/stats");
    await expect(asked).rejects.toMatchObject({ code: "forbidden" });
  });

  it("has every other operation by its name, and its answers in other formats", async () => {
    const ducat = await stage.createClient();
    const style = await ducat.request("GET /v1/styles/{id}", { path: { id: "modern_minimalist" } });
    expect(style.id).toBe("modern_minimalist");
    expect((await ducat.styles.list()).data.length).toBeGreaterThan(0);
    const settings = await ducat.request("GET /v1/admin/config");
    expect(settings.data.length).toBeGreaterThan(0);
    const csv = await ducat.open("GET /v1/credits/transactions", {
      headers: { accept: "text/csv" },
    });
    expect(csv.headers.get("content-type")).toContain("text/csv");
    expect(await csv.text()).toContain("trial");
    const kinds = [];
    for await (const { type } of ducat.list("GET /v1/credits/transactions")) kinds.push(type);
    expect(kinds).toEqual(["adjustment", "trial"]);
  });

  it("lets no id lead to another path", async () => {
    const ducat = await stage.createClient();
    for (const id of ["", ".", ".."]) {
      await expect(ducat.generations.get(id)).rejects.toThrow("id is no id.");
    }
    for (const id of ["../credits/balance", "x/../../credits/balance", "%2e%2e", "a?b#c"]) {
      const asked = ducat.generations.get(id);
      await expect(asked).rejects.toMatchObject({ code: "not_found" });
    }
  });
});

it("is typed by the API's document", () => {
  expectTypeOf<Answer<"GET /v1/generations/{id}">>().toEqualTypeOf<Generation>();
  expectTypeOf<Answer<"DELETE /v1/albums/{id}">>().toEqualTypeOf<undefined>();
  expectTypeOf<Answer<"POST /v1/uploads">>().toEqualTypeOf<Upload>();
  expectTypeOf<Input<"GET /v1/images/{id}">["path"]>().toEqualTypeOf<{ id: string }>();
  expectTypeOf<Image["id"]>().toEqualTypeOf<string>();
  expectTypeOf<DucatError["code"]>().toEqualTypeOf<ErrorCode>();
  expectTypeOf<"insufficient_credits">().toExtend<ErrorCode>();
});
