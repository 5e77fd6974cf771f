import { randomUUID } from "node:crypto";
import { refundGeneration } from "@ducat/db/generation-refunds";
import { deleteGeneration, type NewGeneration } from "@ducat/db/generations";
import { Pricing, quotePrice } from "@ducat/types/pricing";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  givePurchase,
  makeAccount,
  makeGeneration,
  makeKey,
} from "../../../../packages/db/test/factories.ts";
import { assertInvariants } from "../../../../packages/db/test/invariants.ts";
import { type Stage, setStage } from "../../test/stage.ts";
import type { Generator } from "../generators/generator.ts";

const pricing = Pricing.parse({ base: "4", cached_percent: 30 });
let stage: Stage;
let asked: string[] = [];

const draw = (background: string) => {
  const create = { width: 16, height: 12, channels: 3, background } as const;
  return sharp({ create }).webp().toBuffer();
};
const model: Generator = {
  name: "local",
  async run({ itemId, style }) {
    asked.push(itemId);
    if (style.kind === "text") {
      return { status: "completed", output: { kind: "text", text: `a text for ${itemId}` } };
    }
    const bytes = await draw("#345");
    const size = { width: 16, height: 12 };
    return { status: "completed", output: { kind: "image", bytes, type: "image/webp", ...size } };
  },
};
const away: Generator = {
  name: "away",
  run: async () => ({
    status: "failed",
    code: "provider_failed",
    message: "It is away.",
    retryable: false,
    failover: true,
  }),
};

beforeAll(async () => {
  stage = await setStage("postgres");
  await stage.createWorker({ generators: { local: model, away } }).start();
});
afterAll(() => stage.close());

/** A style of the test's own; its version. */
async function publish(more: object = {}) {
  const id = `cached_${randomUUID().slice(0, 8)}`;
  const style = {
    ...{ id, name: "x", description: "x", category: "x", kind: "text", generator: "local" },
    ...{ prompt: "x", params: { look: "modern_minimalist" }, cost: 4, pricing, cache_days: 7 },
    ...more,
  };
  await stage.db.admin`SELECT ducat.publish_styles(${JSON.stringify([style])}::text::jsonb)`;
  return style;
}
const makePayer = async () => {
  const { id } = await makeAccount(stage.db.app);
  await givePurchase(stage.db.app, id, 100);
  return id;
};

type Asked = Partial<NewGeneration> & { account: string; style: string };

/** Orders, waits for the end, and returns the items' rows in their order. */
async function order({ account, labels = ["Terrace"], ...more }: Asked) {
  const { most: unit, lines } = quotePrice(pricing, { params: {} });
  const terms = { unit, lines };
  const wanted = { labels, terms, styleVersion: 1, unitCost: unit, ...more };
  const made = await makeGeneration(stage.db.app, account, wanted);
  const items = made.item_ids.map((itemId) => ({
    accountId: account,
    generationId: made.id,
    itemId,
  }));
  await stage.enqueue(...items);
  await stage.ended(...items);
  const rows = await stage.db.admin`
    SELECT id, status, captured, refunded, output, usage, charge, provider_cost_micros
    FROM ducat.generation_items WHERE generation_id = ${made.id} ORDER BY position`;
  await assertInvariants(stage.db.admin);
  return { id: made.id, rows, row: rows[0] };
}
/** How often the model is asked for the same again after something. */
async function countAsked(first: Asked, second: Partial<Asked>, between?: Between) {
  asked = [];
  const made = await order(first);
  await between?.(made);
  await order({ ...first, ...second });
  return asked.length;
}
type Between = (made: Awaited<ReturnType<typeof order>>) => Promise<unknown>;

describe("a result that is there already", () => {
  it("answers the same request, at its own price and with its lines", async () => {
    const [{ id: style }, account] = await Promise.all([publish(), makePayer()]);
    asked = [];
    const first = await order({ account, style });
    expect(first.row).toMatchObject({ captured: 4, refunded: 0 });
    const second = await order({ account, style });
    expect(asked).toEqual([first.row?.id]);
    // 30% of 4, rounded up.
    expect(second.row).toMatchObject({ status: "completed", captured: 2, refunded: 2 });
    expect(second.row?.output).toEqual(first.row?.output);
    expect(second.row?.usage).toEqual({ cached: true });
    expect(second.row?.charge).toEqual([
      { kind: "base", text: "Base: 4", credits: 4 },
      { kind: "cached", text: "There already: 30%", credits: -2 },
    ]);
    // A copy of a copy is one of the original still, and as old.
    expect((await order({ account, style })).row?.captured).toBe(2);
    expect(asked).toHaveLength(1);
  });

  it("is copied with its files: both can be deleted by themselves", async () => {
    const [{ id: style }, account] = await Promise.all([publish({ kind: "image" }), makePayer()]);
    asked = [];
    const first = await order({ account, style });
    const second = await order({ account, style });
    expect(asked).toHaveLength(1);
    const [one, other] = [first.row?.output, second.row?.output];
    expect(other.key).toContain(`${account}/${second.row?.id}/`);
    expect(other.thumbnail.key).toContain(`${account}/${second.row?.id}/`);
    const thumbnail = { ...one.thumbnail, key: other.thumbnail.key };
    expect(other).toEqual({ ...one, key: other.key, thumbnail });
    for (const key of await deleteGeneration(stage.db.app, account, first.id)) {
      await stage.blobs.remove(key);
    }
    for (const { key } of [one, one.thumbnail]) expect(await stage.blobs.has(key)).toBe(false);
    for (const { key } of [other, other.thumbnail]) expect(await stage.blobs.has(key)).toBe(true);
  });

  it("tells several for one area apart, and gives each its own again", async () => {
    const [{ id: style }, account] = await Promise.all([publish(), makePayer()]);
    const { most: unit, lines } = quotePrice(pricing, { params: {} });
    const several = { account, style, labels: ["a", "a"], terms: { unit, n: 2, lines } };
    asked = [];
    const first = await order(several);
    expect(asked).toHaveLength(2);
    const second = await order(several);
    expect(asked).toHaveLength(2);
    expect(second.rows.map(({ output }) => output)).toEqual(first.rows.map(({ output }) => output));
  });

  it("is not for another account, label, prompt, param or version", async () => {
    const [style, account, stranger] = await Promise.all([publish(), makePayer(), makePayer()]);
    const request = { account, style: style.id };
    expect(await countAsked(request, { account: stranger })).toBe(2);
    expect(await countAsked({ ...request, labels: ["b"] }, { labels: ["c"] })).toBe(2);
    const input = { type: "text", prompt: "another garden" };
    expect(await countAsked({ ...request, labels: ["d"] }, { input })).toBe(2);
    expect(await countAsked({ ...request, labels: ["e"] }, { params: { tone: "calm" } })).toBe(2);
    // The order of members is no difference.
    const params = [
      { tone: "calm", x: 1 },
      { x: 1, tone: "calm" },
    ] as const;
    const inOrder = { ...request, labels: ["f"], params: params[0] };
    expect(await countAsked(inOrder, { params: params[1] })).toBe(1);
    await countAsked({ ...request, labels: ["g"] }, { labels: ["g"] });
    await publish({ id: style.id, prompt: "y" });
    asked = [];
    await order({ ...request, labels: ["g"], styleVersion: 2 });
    expect(asked).toHaveLength(1);
  });

  it("doesn't count once it was deleted, removed, paid back, or is too old", async () => {
    const [{ id: style }, account] = await Promise.all([publish(), makePayer()]);
    const { app, admin } = stage.db;
    const of = (label: string) => ({ account, style, labels: [label] });
    const audit = { actor: "support", requestId: "r" } as never;
    const refund = { ...makeKey(), reason: "x", audit };
    expect(await countAsked(of("a"), {}, ({ id }) => deleteGeneration(app, account, id))).toBe(2);
    const payBack: Between = ({ id }) => refundGeneration(app, account, { ...refund, id });
    expect(await countAsked(of("b"), {}, payBack)).toBe(2);
    const remove: Between = ({ id }) =>
      admin`UPDATE ducat.generation_items SET output = NULL, output_removed_at = now()
        WHERE generation_id = ${id}`;
    expect(await countAsked(of("c"), {}, remove)).toBe(2);
    const age = (days: number): Between => {
      return ({ id }) =>
        admin`UPDATE ducat.generation_items
          SET completed_at = completed_at - make_interval(days => ${days})
          WHERE generation_id = ${id}`;
    };
    expect(await countAsked(of("d"), {}, age(6))).toBe(1);
    expect(await countAsked(of("e"), {}, age(7))).toBe(2);
  });

  it("is made anew where its file is gone, or is not what it was", async () => {
    const [{ id: style }, account] = await Promise.all([publish({ kind: "image" }), makePayer()]);
    const lose: Between = ({ row }) => stage.blobs.remove(row?.output.key);
    expect(await countAsked({ account, style, labels: ["a"] }, {}, lose)).toBe(2);
    const swap: Between = async ({ row }) => {
      await stage.blobs.remove(row?.output.key);
      await stage.blobs.put(row?.output.key, await draw("#a00"));
    };
    expect(await countAsked({ account, style, labels: ["b"] }, {}, swap)).toBe(2);
  });

  it("is not asked for by a retry, nor where the style doesn't say so", async () => {
    const account = await makePayer();
    const [{ id: style }, { id: plain }] = await Promise.all([
      publish(),
      publish({ cache_days: 0 }),
    ]);
    const first = await order({ account, style });
    asked = [];
    await order({ account, style, retryOf: first.id });
    expect(asked).toHaveLength(1);
    expect(await countAsked({ account, style: plain }, {})).toBe(2);
  });

  it("is never another model's than the style's own", async () => {
    const fallbacks = [{ generator: "local", params: {}, pricing: { base: "1" } }];
    const style = await publish({ generator: "away", fallbacks });
    const account = await makePayer();
    asked = [];
    const { row } = await order({ account, style: style.id });
    expect(row).toMatchObject({ captured: 1, refunded: 3 });
    await order({ account, style: style.id });
    expect(asked).toHaveLength(2);
  });
});
