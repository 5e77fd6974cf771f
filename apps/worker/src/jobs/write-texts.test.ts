import { settlePrice } from "@ducat/types/pricing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { assertBooks, type Stage, setStage } from "../../test/stage.ts";
import { createLocalGenerator } from "../generators/local.ts";
import { countTokens } from "../generators/write-text.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage("postgres");
});
afterAll(() => stage.close());

const run = async (style: string, params: Record<string, unknown>, more: object = {}) => {
  const item = await stage.makeItem({}, { style, params, ...more });
  await stage.enqueue(item);
  const worker = stage.createWorker({ generators: { local: createLocalGenerator() } });
  await worker.start();
  const [row] = await stage.ended(item);
  await stage.closeWorkers();
  const [{ usage } = {}] = await stage.db.admin`
    SELECT usage FROM ducat.generation_items WHERE id = ${item.itemId}`;
  return { item, row, usage, text: row?.output && "text" in row.output ? row.output.text : "" };
};

it("a letter of the seeded style is written in its language, and its tokens are kept", async () => {
  const { item, row, usage, text } = await run("letter", { language: "fa", recipient: "مریم" });
  expect(row).toMatchObject({ status: "completed" });
  expect(text).toContain("مریم گرامی،");
  expect(usage).toMatchObject({ output_tokens: countTokens(text) });
  expect(usage.input_tokens).toBeGreaterThan(20);
  await assertBooks(stage, [item]);
});

it("a text with a price by tokens is charged for those that it took", async () => {
  const most = { most_input: 1_000, most_output: 1_000 };
  const each = { credits: "1", per: 100 };
  const pricing = {
    base: "0",
    tokens: { input: { ...each, credits: "0" }, output: each, ...most },
  };
  const style = {
    ...{ id: "by_tokens", name: "By tokens", description: "x", category: "text", kind: "text" },
    ...{ generator: "local", prompt: "{input}", params: { look: "letter" }, cost: 10, pricing },
  };
  const styles = JSON.stringify([style]);
  await stage.db.admin`SELECT ducat.publish_styles(${styles}::text::jsonb)`;
  const terms = { styleVersion: 1, terms: { unit: 5, lines: [] } };
  const { row, text } = await run("by_tokens", { recipient: "Ada" }, terms);
  const usage = { inputTokens: 0, outputTokens: countTokens(text) };
  const { actual } = settlePrice(pricing, { params: {}, usage });
  expect(actual).toBeGreaterThan(0);
  expect(actual).toBeLessThan(5);
  expect(row).toMatchObject({ status: "completed", captured: actual, refunded: 5 - actual });
});

it("a language that nobody here writes is paid back", async () => {
  const { item, row } = await run("letter", { language: "de" });
  expect(row).toMatchObject({ status: "failed", captured: 0, refunded: 5 });
  await assertBooks(stage, [item]);
});
