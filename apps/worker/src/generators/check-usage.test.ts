import { expect, it } from "vitest";
import { checkUsage, reckonCost, reckonMost } from "./check-usage.ts";

const tokens = { input_micros_per_1k: 2_000, output_micros_per_1k: 8_000 };
const style = { id: "s", version: 1, kind: "text" as const, generator: "a", prompt: "x" };

it("reckons the most from the letters of a request and the limit of its answer", () => {
  const task = (params: Record<string, unknown>, prompt: string) => ({
    style: { ...style, params },
    input: { type: "text" as const, prompt },
    params: {},
  });
  const short = reckonMost(tokens, task({ max_output_tokens: 500 }, "a"));
  expect(short).toBeGreaterThan(4_000);
  expect(short).toBeLessThan(4_200);
  expect(reckonMost(tokens, task({ max_output_tokens: 500 }, "a".repeat(2_001)))).toBe(
    short + 2_000,
  );
  // Without a limit of its own, an answer is taken to be long.
  expect(reckonMost(tokens, task({}, "a"))).toBeGreaterThan(32_000);
  expect(reckonMost({ second_micros: 3 }, task({}, "a"))).toBe(360);
  expect(reckonMost({ ...tokens, most_micros: 7 }, task({}, "a"))).toBe(7);
});

it("reckons a cost from tokens and pictures, and none from nothing", () => {
  const used = { inputTokens: 1_001, outputTokens: 10 };
  expect(reckonCost(tokens, used, "text")).toBe(2_082);
  expect(reckonCost({ ...tokens, image_micros: 40_000 }, used, "image")).toBe(42_082);
  expect(reckonCost({ image_micros: 40_000 }, {}, "image")).toBe(40_000);
  expect(reckonCost({ image_micros: 40_000 }, used, "text")).toBeUndefined();
  expect(reckonCost(tokens, {}, "text")).toBeUndefined();
});

it("believes a provider's cost before the table", () => {
  const used = { inputTokens: 100, outputTokens: 10, providerCostMicros: 12.2 };
  expect(checkUsage(used, { cost: tokens, kind: "text", most: 1_000 })).toEqual({
    usage: { inputTokens: 100, outputTokens: 10, providerCostMicros: 13 },
    ignored: [],
  });
});

it.each([
  ["a negative cost", { providerCostMicros: -1 }, 1_000],
  ["no number", { providerCostMicros: Number.NaN }, 1_000],
  ["an endless cost", { providerCostMicros: Number.POSITIVE_INFINITY }, 0],
  ["a text", { providerCostMicros: "9" as unknown as number }, 1_000],
  ["1,000 times the table", { providerCostMicros: 1_000_001 }, 1_000],
  ["more than $100", { providerCostMicros: 100_000_001 }, 0],
])("ignores %s, and goes by the table", (_, said, most) => {
  const used = { inputTokens: 1_000, outputTokens: 1_000, ...said };
  const { usage, ignored } = checkUsage(used, { cost: tokens, kind: "text", most });
  expect(usage.providerCostMicros).toBe(10_000);
  expect(ignored).toEqual(["providerCostMicros"]);
  const unlisted = checkUsage(used, { kind: "text", most });
  expect(unlisted.usage).toEqual({ inputTokens: 1_000, outputTokens: 1_000 });
});

it.each([-1, 0.5, 10_000_001, Number.NaN])("ignores %d tokens", (inputTokens) => {
  const options = { cost: tokens, kind: "text" as const, most: 0 };
  const { usage, ignored } = checkUsage({ inputTokens, outputTokens: 1_000 }, options);
  expect(usage).toEqual({ outputTokens: 1_000, providerCostMicros: 8_000 });
  expect(ignored).toEqual(["inputTokens"]);
});
