import { describe, expect, it } from "vitest";
import { DomainError } from "./errors.ts";
import { type PriceLine, Pricing, quotePrice, settlePrice } from "./pricing.ts";

const pricing = Pricing.parse({
  base: "1.5",
  factors: [
    { param: "size", values: { "1024x1024": "1", "2048x2048": "2" }, default: "1024x1024" },
    { param: "quality", values: { draft: "0.5", high: "1.25" } },
  ],
  extras: [{ param: "hd", values: { true: "0.5" } }],
});
const tokens = Pricing.parse({
  base: "0",
  tokens: {
    input: { credits: "1", per: 3_000 },
    output: { credits: "2", per: 1_000 },
    most_input: 1_000,
    most_output: 2_000,
  },
  cached_percent: 25,
});
const most = (params: Record<string, unknown>) => quotePrice(pricing, { params }).most;
const sum = (lines: PriceLine[]) => lines.reduce((all, { credits }) => all + credits, 0);
const refusalOf = (call: () => unknown) => {
  try {
    return call();
  } catch (error) {
    return error instanceof DomainError ? [error.code, error.detail.errors?.[0]?.pointer] : error;
  }
};

describe("a price by params", () => {
  it("is base times factors plus extras, rounded up once", () => {
    expect(most({})).toBe(2);
    expect(most({ size: "2048x2048" })).toBe(3);
    // 1.5 × 2 × 1.25 = 3.75, and 0.5 more is 4.25.
    expect(most({ size: "2048x2048", quality: "high" })).toBe(4);
    expect(most({ size: "2048x2048", quality: "high", hd: true })).toBe(5);
    expect(most({ quality: "draft" })).toBe(1);
  });

  it("is told by lines that add up to it", () => {
    const params = { size: "2048x2048", quality: "draft", hd: true };
    expect(quotePrice(pricing, { params })).toEqual({
      most: 2,
      lines: [
        { kind: "base", text: "Base: 1.5", credits: 2 },
        {
          kind: "factor",
          text: "size 2048x2048: × 2",
          param: "size",
          value: "2048x2048",
          credits: 1,
        },
        {
          kind: "factor",
          text: "quality draft: × 0.5",
          param: "quality",
          value: "draft",
          credits: -1,
        },
        { kind: "extra", text: "hd true: + 0.5", param: "hd", value: "true", credits: 0 },
      ],
    });
    for (const size of ["1024x1024", "2048x2048"]) {
      for (const quality of ["draft", "high"]) {
        for (const hd of [true, false]) {
          const { most: total, lines } = quotePrice(pricing, { params: { size, quality, hd } });
          expect(sum(lines)).toBe(total);
        }
      }
    }
  });

  it("does not count what is switched off, though it is on by default", () => {
    const factors = [{ param: "hd", values: { true: "2" }, default: "true" }];
    const doubled = Pricing.parse({ base: "3", factors });
    expect(quotePrice(doubled, { params: {} }).most).toBe(6);
    expect(quotePrice(doubled, { params: { hd: false } }).most).toBe(3);
  });

  it("refuses a value that no table has, whatever it is", () => {
    for (const size of ["4096x4096", "", 1, true, null, ["2048x2048"], { a: 1 }, "__proto__"]) {
      const refused = refusalOf(() => most({ size }));
      expect(refused, String(size)).toEqual(["validation_failed", "/params/size"]);
    }
    expect(refusalOf(() => most({ hd: "yes" }))).toEqual(["validation_failed", "/params/hd"]);
    expect(most({ hd: false, other: "x" })).toBe(2);
  });

  it("may follow the kind of the input", () => {
    const byInput = Pricing.parse({
      base: "2",
      factors: [{ param: "input.type", values: { photo: "3", text: "1" } }],
    });
    const of = (type: string) => quotePrice(byInput, { params: {}, input: { type } });
    expect([of("photo").most, of("text").most]).toEqual([6, 2]);
    expect(refusalOf(() => of("address"))).toEqual(["validation_failed", "/input/type"]);
    expect(quotePrice(byInput, { params: {} }).most).toBe(2);
  });

  it("is exact where binary fractions are not", () => {
    const tenth = Pricing.parse({
      base: "0.1",
      extras: [
        { param: "a", values: { x: "0.2" } },
        { param: "b", values: { x: "0.7" } },
      ],
    });
    expect(quotePrice(tenth, { params: { a: "x", b: "x" } }).most).toBe(1);
  });
});

describe("a price by tokens", () => {
  it("is held at the most they can cost, and charged by their number", () => {
    // 1/3 + 4 is held; 300 and 400 tokens are 0.1 + 0.8.
    expect(quotePrice(tokens, { params: {} })).toEqual({
      most: 5,
      lines: [
        { kind: "base", text: "Base: 0", credits: 0 },
        {
          kind: "tokens",
          text: "up to 1000 tokens of input: 1 for each 3000",
          param: "input",
          credits: 1,
        },
        {
          kind: "tokens",
          text: "up to 2000 tokens of output: 2 for each 1000",
          param: "output",
          credits: 4,
        },
      ],
    });
    const usage = { inputTokens: 300, outputTokens: 400 };
    const settled = settlePrice(tokens, { params: {}, usage });
    expect([settled.actual, sum(settled.lines)]).toEqual([1, 1]);
    expect(settled.lines.at(-1)?.text).toBe("400 tokens of output: 2 for each 1000");
  });

  it("is never above what was held, and that where nobody counted", () => {
    const held = quotePrice(tokens, { params: {} }).most;
    for (const count of [undefined, -1, 0.5, Number.NaN, 2_001, 1e15]) {
      const usage = { inputTokens: count, outputTokens: count };
      expect(settlePrice(tokens, { params: {}, usage }).actual, String(count)).toBe(held);
    }
    expect(
      settlePrice(tokens, { params: {}, usage: { inputTokens: 0, outputTokens: 0 } }),
    ).toMatchObject({ actual: 0 });
  });

  it("is a share of it for what was there already, rounded up", () => {
    const usage = { inputTokens: 1_000, outputTokens: 2_000, cached: true };
    const { actual, lines } = settlePrice(tokens, { params: {}, usage });
    expect([actual, sum(lines)]).toEqual([2, 2]);
    expect(lines.at(-1)).toEqual({ kind: "cached", text: "There already: 25%", credits: -3 });
    // Without a share it costs the same.
    expect(settlePrice(pricing, { params: {}, usage: { cached: true } }).actual).toBe(2);
  });
});

describe("a pricing", () => {
  const isFine = (more: object) => Pricing.safeParse({ base: "1", ...more }).success;

  it("is refused where it can't be added up, and never throws", () => {
    const table = { param: "size", values: { a: "2" } };
    const wrong = [
      ...["-1", "1e3", "01", "1.", ".5", "0.1234567", "12345678", 1, null].map((base) => ({
        base,
      })),
      { factors: [{ ...table, values: {} }] },
      { factors: [{ ...table, values: { a: "x" } }] },
      { factors: [{ ...table, default: "b" }] },
      { factors: [{ ...table, param: "a.b" }] },
      { extras: [{ ...table, default: "a" }] },
      { factors: Array(11).fill(table) },
      { tokens: { ...tokens.tokens, input: { credits: "1", per: 0 } } },
      { tokens: { ...tokens.tokens, most_output: -1 } },
      { tokens: { ...tokens.tokens, most_output: 1.5 } },
      { cached_percent: 101 },
      { unknown: 1 },
    ];
    for (const more of wrong) expect(isFine(more), JSON.stringify(more)).toBe(false);
  });

  it("is refused where a request could cost more than a style may", () => {
    expect(isFine({ base: "1000000" })).toBe(true);
    expect(isFine({ base: "1000000.1" })).toBe(false);
    const factors = Array(3).fill({ param: "size", values: { a: "100" } });
    expect(isFine({ factors })).toBe(true);
    expect(isFine({ factors, extras: [{ param: "b", values: { x: "0.1" } }] })).toBe(false);
    expect(isFine({ base: "2", factors })).toBe(false);
  });
});
