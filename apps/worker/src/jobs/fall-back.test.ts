import { randomUUID } from "node:crypto";
import { cancelGeneration } from "@ducat/db/generations";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  givePurchase,
  makeAccount,
  makeGeneration,
} from "../../../../packages/db/test/factories.ts";
import { assertInvariants } from "../../../../packages/db/test/invariants.ts";
import { eventually, type Stage, setStage } from "../../test/stage.ts";
import {
  type Context,
  type Generator,
  type Outcome,
  sentMark,
  type Task,
} from "../generators/generator.ts";

let stage: Stage;
/** What each provider has done, by its own books. */
let books: string[] = [];

const write = (usage = {}): Outcome => ({
  ...{ status: "completed", output: { kind: "text", text: "A text." }, usage },
});
const provider = (
  name: string,
  play: (context: Context, task: Task) => Promise<Outcome>,
): Generator => ({
  name,
  async run(task, context) {
    const { itemId, style } = task;
    expect(style.params).toEqual({ model: `${name}-1` });
    if (context.requestId === null) books.push(`${name} ${itemId}`);
    return await play(context, task);
  },
});
const failed = { status: "failed", message: "It is away.", failover: true } as const;
const generators = {
  away: provider("away", async () => ({ ...failed, code: "provider_limit", retryable: true })),
  lossy: provider("lossy", async (context) => {
    if (context.requestId === null) await context.saveRequestId(sentMark);
    return { ...failed, code: "outcome_unknown", retryable: false };
  }),
  /** Has no room until its caller has asked for the end. */
  full: provider("full", async (_, { accountId, generationId, itemId }) => {
    if (books.filter((line) => line === `full ${itemId}`).length > 1) return write();
    await cancelGeneration(stage.db.app, accountId, generationId);
    return { ...failed, code: "provider_limit", retryable: true, retryInMs: 50 };
  }),
  strict: provider("strict", async () => ({
    ...{ status: "failed", code: "moderation_refused", message: "No.", retryable: false },
  })),
  writer: provider("writer", async (context) => {
    await context.saveRequestId(sentMark);
    return write({ inputTokens: 1_000, outputTokens: 200, providerCostMicros: -5 });
  }),
};
const costs = { "*": { input_micros_per_1k: 30, output_micros_per_1k: 100, most_micros: 400 } };
const providers = [{ name: "writer", costs, daily_cap_micros: 1_000_000 }];

beforeAll(async () => {
  stage = await setStage("postgres");
  await stage.createWorker({ generators, providers }).start();
});
afterAll(() => stage.close());

type Model = { generator: string; pricing?: object };
const model = ({ generator, ...more }: Model) => ({
  ...{ generator, params: { model: `${generator}-1` } },
  ...more,
});

/** Orders one item of a style of its own at 5 credits; its row when it has ended. */
async function order(own: Model, ...fallbacks: Model[]) {
  const id = `fall_${randomUUID().slice(0, 8)}`;
  const style = {
    ...{ id, name: "x", description: "x", category: "x", kind: "text", prompt: "x", cost: 5 },
    ...{ ...model(own), fallbacks: fallbacks.map(model), max_attempts: 2 },
  };
  await stage.db.admin`SELECT ducat.publish_styles(${JSON.stringify([style])}::text::jsonb)`;
  const account = await makeAccount(stage.db.app);
  await givePurchase(stage.db.app, account.id, 10);
  const made = await makeGeneration(stage.db.app, account.id, { style: id, unitCost: 5 });
  const [itemId = ""] = made.item_ids;
  const item = { accountId: account.id, generationId: made.id, itemId };
  await stage.enqueue(item);
  await stage.ended(item);
  await assertInvariants(stage.db.admin);
  const [row] = await stage.db.admin`
    SELECT status, captured, refunded, error_code, usage, charge, provider_cost_micros
    FROM ducat.generation_items WHERE id = ${itemId}`;
  const asked = books.filter((line) => line.endsWith(itemId)).map((line) => line.split(" ")[0]);
  return { row, asked };
}

it("charges a fallback at its own price, and pays the rest back", async () => {
  const { row, asked } = await order(
    { generator: "away" },
    { generator: "writer", pricing: { base: "3" } },
  );
  expect(row).toMatchObject({ status: "completed", captured: 3, refunded: 2 });
  expect(row?.charge.map((line: { credits: number }) => line.credits)).toEqual([0, 3]);
  expect(asked).toEqual(["away", "writer"]);
});

it("never charges a fallback above what was set aside", async () => {
  const { row } = await order(
    { generator: "away" },
    { generator: "writer", pricing: { base: "9" } },
  );
  expect(row).toMatchObject({ status: "completed", captured: 5, refunded: 0 });
});

it("records whose work it was, its tokens, and a cost that is credible", async () => {
  const { row } = await order({ generator: "writer" });
  expect(row).toMatchObject({ status: "completed", captured: 5, provider_cost_micros: 50 });
  expect(row?.usage).toEqual({
    ...{ provider: "writer", model: "writer-1", input_tokens: 1_000, output_tokens: 200 },
  });
});

it("pays back what nobody can tell the outcome of, and asks that provider once", async () => {
  const { row, asked } = await order({ generator: "lossy" });
  expect(row).toMatchObject({ status: "failed", error_code: "outcome_unknown", refunded: 5 });
  expect(asked).toEqual(["lossy"]);
});

it("asks another provider where the outcome of the first is unknown", async () => {
  const { row, asked } = await order({ generator: "lossy" }, { generator: "writer" });
  expect(row).toMatchObject({ status: "completed", captured: 5 });
  expect(asked).toEqual(["lossy", "writer"]);
});

it("ends canceled when nobody has the work, though a provider may have been paid", async () => {
  const { row, asked } = await order({ generator: "lossy" }, { generator: "full" });
  expect(row).toMatchObject({ status: "canceled", captured: 0, refunded: 5 });
  expect(asked).toEqual(["lossy", "full"]);
});

it("pays a refusal by moderation back, says so, and asks nobody else", async () => {
  const { row, asked } = await order({ generator: "strict" }, { generator: "writer" });
  expect(row).toMatchObject({ status: "failed", error_code: "moderation_refused", refunded: 5 });
  expect(asked).toEqual(["strict"]);
});

it("pays back what no provider that is set up can make", async () => {
  const { row } = await order({ generator: "nowhere" });
  expect(row).toMatchObject({ status: "failed", error_code: "provider_unavailable", refunded: 5 });
});

it("gives back what it holds of a cap when the worker ends", async () => {
  books = [];
  await order({ generator: "writer" });
  const read = async () => {
    const [row] = await stage.db.admin`
      SELECT taken_micros::int AS taken, spent_micros::int AS spent
      FROM ducat.provider_budgets WHERE provider = 'writer'`;
    return row;
  };
  expect((await read())?.taken).toBe(62_500);
  await stage.closeWorkers();
  await eventually(async () => {
    const row = await read();
    expect(row?.taken).toBe(row?.spent);
    expect(row?.spent % 50).toBe(0);
    expect(row?.spent).toBeGreaterThan(0);
  });
});
