import { randomUUID } from "node:crypto";
import { completeItem } from "@ducat/db/items";
import { Estimate, Generation } from "@ducat/types/generations";
import type { Pricing } from "@ducat/types/pricing";
import { StyleList } from "@ducat/types/styles";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claim, settle } from "../../test/settle.ts";
import { order, type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
  await stage.deps.cache.ready();
});
afterAll(() => stage.close());

const sizes = { param: "size", values: { small: "1", large: "2.5" }, default: "small" };
const bySize: Pricing = { base: "2", factors: [sizes] };
const byTokens: Pricing = {
  base: "1",
  tokens: {
    input: { credits: "1", per: 1_000 },
    output: { credits: "1", per: 100 },
    most_input: 1_000,
    most_output: 400,
  },
};
const largeLines = [
  { kind: "base", text: "Base: 2", credits: 2 },
  { kind: "factor", text: "size large: × 2.5", param: "size", value: "large", credits: 3 },
];

const content = (more: object = {}) => ({
  ...{ name: "Priced", description: "By size.", category: "landscape", kind: "image" },
  ...{ generator: "local", prompt: "A garden. {label}", params: { look: "modern_minimalist" } },
  ...{ cost: 2, pricing: bySize, ...more },
});
const put = (id: string, more: object) =>
  stage.call(`/v1/admin/styles/${id}`, { method: "PUT", body: content(more) });
async function publish(more: object = {}): Promise<string> {
  const id = `priced_${randomUUID().slice(0, 8)}`;
  const answer = await stage.call("/v1/admin/styles", { body: { id, ...content(more) } });
  expect(answer.status, answer.text).toBe(201);
  return id;
}
/** As another process does it: this one's memory is not told. */
async function publishElsewhere(id: string, more: object) {
  const { admin } = stage.db;
  const styles = JSON.stringify([{ id, ...content(more) }]);
  await admin`UPDATE ducat.styles SET published_by = NULL WHERE id = ${id}`;
  await admin`SELECT ducat.publish_styles(${styles}::text::jsonb)`;
}
const path = "/v1/generations";
const create = (account: string, body: object, key: string = randomUUID()) =>
  stage.call(path, { account, key, body: order(body) });
const estimate = (account: string, body: object) =>
  stage.call(`${path}/estimate`, { account, body: order(body) });
const show = async (account: string, id: string) =>
  Generation.parse((await stage.call(`${path}/${id}`, { account })).body);
const balanceOf = async (account: string) =>
  (await stage.call("/v1/credits/balance", { account })).body.available;

describe("a style with a price by params", () => {
  it("is listed with it, and is estimated, made and shown at the same price", async () => {
    const [style, account] = [await publish(), await stage.makeAccount(50)];
    const { data } = StyleList.parse((await stage.call("/v1/styles")).body);
    expect(data.find(({ id }) => id === style)).toMatchObject({ cost: 2, pricing: bySize });
    const body = { style, params: { size: "large" }, areas: ["a", "b"] };
    const price = { unit: 5, lines: largeLines };
    const expected = { cost: 10, price };
    expect(Estimate.parse((await estimate(account, body)).body)).toMatchObject(expected);
    const made = await create(account, body);
    expect(Generation.parse(made.body)).toMatchObject(expected);
    expect(made.body.items[0]).toMatchObject({ cost: 5, charge: null });
    expect(await show(account, made.body.id)).toMatchObject(expected);
    expect((await create(account, { style })).body).toMatchObject({ cost: 2, price: { unit: 2 } });
  });

  it("refuses a value that has no price, and takes nothing", async () => {
    const [style, account] = [await publish(), await stage.makeAccount()];
    for (const size of ["huge", 7, null, { a: 1 }]) {
      for (const ask of [create, estimate]) {
        const refused = await ask(account, { style, params: { size } });
        expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
        expect(refused.body.errors[0].pointer).toBe("/params/size");
      }
    }
    expect(await balanceOf(account)).toBe(3);
  });

  it("answers a repeat as the first time, whatever the price is by now", async () => {
    const [style, account, key] = [await publish(), await stage.makeAccount(50), randomUUID()];
    const body = { style, params: { size: "large" }, n: 2 };
    const made = await create(account, body, key);
    const values = { small: "4" };
    await put(style, { cost: 8, pricing: { base: "2", factors: [{ ...sizes, values }] } });
    const again = await create(account, body, key);
    expect([again.status, again.text]).toEqual([201, made.text]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect((await create(account, body)).body.errors[0].pointer).toBe("/params/size");
  });

  it("takes the price of the moment, though another process has changed it", async () => {
    const [style, account] = [await publish(), await stage.makeAccount(50)];
    expect((await create(account, { style })).body.cost).toBe(2);
    await publishElsewhere(style, { cost: 3, pricing: { base: "3" } });
    expect((await create(account, { style })).body).toMatchObject({
      style: { version: 2 },
      cost: 3,
      price: { unit: 3, lines: [{ kind: "base", text: "Base: 3", credits: 3 }] },
    });
    // From one price for all to a price by params, and back.
    await publishElsewhere(style, { cost: 1, pricing: null });
    expect((await create(account, { style })).body).toMatchObject({ cost: 1, price: { unit: 1 } });
    await publishElsewhere(style, {});
    const large = { style, params: { size: "large" } };
    expect((await create(account, large)).body).toMatchObject({ cost: 5, style: { version: 4 } });
  });

  it("is never taken at one version's price under another, however many ask", async () => {
    const [style, account] = [await publish(), await stage.makeAccount(500)];
    const publishAll = async () => {
      for (const base of ["3", "4", "5", "6"]) {
        await publishElsewhere(style, { cost: Number(base), pricing: { base } });
      }
    };
    const asking = [...Array(30).keys()].map(() => create(account, { style }));
    const [made] = await Promise.all([Promise.all(asking), publishAll()]);
    for (const { status, body } of made) {
      // Who meets a new version at each try is told to come back.
      if (status === 503) continue;
      expect([status, body.cost]).toEqual([201, body.style.version + 1]);
      expect(body.price.lines[0]).toMatchObject({ credits: body.cost });
    }
    expect(made.filter(({ status }) => status === 201).length).toBeGreaterThan(0);
  });
});

describe("n", () => {
  it("makes so many items of each area, each paid back on its own", async () => {
    const account = await stage.makeAccount(50);
    const body = { areas: ["a", { label: "b" }], n: 3 };
    expect((await estimate(account, body)).body).toMatchObject({ items: 6, cost: 6 });
    const { body: made } = await create(account, body);
    expect(made).toMatchObject({ cost: 6, price: { unit: 1 } });
    const labels = made.items.map(({ label }: { label: string }) => label);
    expect(labels).toEqual(["a", "a", "a", "b", "b", "b"]);
    await settle(stage, account, made, ["completed", "failed", "completed"]);
    const items = (await show(account, made.id)).items;
    expect(items.map(({ refunded }) => refunded)).toEqual([0, 1, 0, 0, 0, 0]);
  });

  it("is from 1 to 10", async () => {
    const account = await stage.makeAccount();
    for (const n of [0, 11, 1.5, "2", null]) {
      const refused = await create(account, { n });
      expect([refused.status, refused.body.errors?.[0].pointer]).toEqual([422, "/n"]);
    }
    expect((await create(account, { n: 4 })).status).toBe(402);
  });
});

describe("a style with a price by tokens", () => {
  it("holds the most it can cost and charges what was used, line by line", async () => {
    const pricing = { pricing: byTokens, cost: 6, kind: "text", params: {} };
    const [style, account] = [await publish(pricing), await stage.makeAccount(50)];
    const { body: made } = await create(account, { style });
    expect(made).toMatchObject({ cost: 6, price: { unit: 6 } });
    expect(await balanceOf(account)).toBe(47);
    const item = await claim(stage, account, made.id, made.items[0].id);
    expect(item).toMatchObject({ pricing: byTokens, terms: made.price, fallbacks: [] });
    const charge = [
      { kind: "base" as const, credits: 1 },
      { kind: "tokens" as const, param: "output", credits: 2 },
    ];
    const output = { kind: "text" as const, text: "x" };
    await completeItem(stage.db.worker, item, { output, usage: {}, actual: 3, charge });
    const shown = await show(account, made.id);
    expect(shown.items[0]).toMatchObject({ cost: 6, refunded: 3, charge });
    expect(shown).toMatchObject({ cost: 6, price: made.price });
    expect(await balanceOf(account)).toBe(50);
  });

  it("is refused to who can't pay the most", async () => {
    const pricing = { pricing: byTokens, cost: 6, kind: "text", params: {} };
    const [style, account] = [await publish(pricing), await stage.makeAccount()];
    const refused = await create(account, { style });
    expect([refused.status, refused.body.required]).toEqual([402, 6]);
  });
});

describe("a style that the plan makes free", () => {
  it("is free at any price, and a value without a price is refused all the same", async () => {
    const [style, account] = [await publish(), await stage.makeAccount()];
    const plan = `p-${randomUUID()}`;
    const feature = {
      ...{ kind: "limit", name: { en: "Free" }, position: 1, reset: "calendar", limit: 2 },
      ...{ period: "month", free_styles: [style] },
    };
    const { admin } = stage.db;
    await admin`
      INSERT INTO ducat.products (key, kind, name, description, features, limits)
      VALUES (${plan}, 'plan', '{}', '{}', ${admin.json({ free: feature })}, '{}')`;
    const given = { method: "PUT", body: { plan } };
    await stage.call(`/v1/admin/accounts/${account}/plan`, given);
    const body = { style, params: { size: "large" }, n: 2 };
    const free = { cost: 0, price: { unit: 0, lines: [] } };
    expect((await estimate(account, body)).body).toMatchObject(free);
    expect((await create(account, body)).body).toMatchObject(free);
    const refused = await create(account, { style, params: { size: "huge" } });
    expect(refused.body.code).toBe("validation_failed");
    // No room is left: now it costs what it costs, more than there is.
    expect((await create(account, body)).status).toBe(402);
  });
});

describe("publishing", () => {
  it.each([
    ["/prompt", { prompt: "A garden. {lable}" }],
    ["/cost", { cost: 3 }],
    ["/pricing/base", { pricing: { base: "-1" } }],
    ["/pricing", { pricing: { base: "1000000.1" } }],
    [
      "/pricing/factors/0/default",
      { pricing: { base: "2", factors: [{ ...sizes, default: "x" }] } },
    ],
    ["/fallbacks/0/generator", { fallbacks: [{ generator: "local" }] }],
    ["/fallbacks/0/params/model", { fallbacks: [{ generator: "openai" }] }],
    ["/fallbacks", { fallbacks: Array(6).fill({ generator: "local" }) }],
    ["/cache_days", { cache_days: 366 }],
  ])("refuses a style whose %s is wrong", async (pointer, more) => {
    const id = `wrong_${randomUUID().slice(0, 8)}`;
    const refused = await stage.call("/v1/admin/styles", { body: { id, ...content(more) } });
    expect([refused.status, refused.body.code]).toEqual([422, "validation_failed"]);
    const pointers = refused.body.errors.map((one: { pointer: string }) => one.pointer);
    expect(pointers).toContain(pointer);
  });

  it("keeps all that it says, version by version", async () => {
    const params = { model: "gpt-image-1" };
    const fallbacks = [{ generator: "openai", params, pricing: { base: "1" } }];
    const style = await publish({ fallbacks, cache_days: 30 });
    await put(style, { cost: 1, pricing: null });
    const versions = await stage.call(`/v1/admin/styles/${style}/versions`);
    expect(versions.body.data).toMatchObject([
      { version: 2, pricing: null, fallbacks: [], cache_days: 0 },
      { version: 1, pricing: bySize, fallbacks, cache_days: 30 },
    ]);
  });
});
