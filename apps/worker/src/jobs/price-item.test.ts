import { Pricing } from "@ducat/types/pricing";
import { describe, expect, it } from "vitest";
import { priceItem } from "./price-item.ts";

const pricing = Pricing.parse({
  base: "2",
  factors: [{ param: "size", values: { small: "1", large: "2" }, default: "small" }],
});
const byTokens = Pricing.parse({
  base: "0",
  tokens: {
    input: { credits: "1", per: 1_000 },
    output: { credits: "1", per: 100 },
    most_input: 1_000,
    most_output: 400,
  },
});
const item = {
  cost: 4,
  params: { size: "large" },
  input: { type: "text" },
  pricing: pricing as Pricing | null,
};
const own = { index: 0 };
const sum = (charge: { credits: number }[] = []) =>
  charge.reduce((all, { credits }) => all + credits, 0);

describe("the price of what was made", () => {
  it("is the style's, with the lines that it comes of", () => {
    const { actualCost, charge } = priceItem(item, { link: own, usage: {} });
    expect([actualCost, charge?.map(({ kind }) => kind)]).toEqual([4, ["base", "factor"]]);
    expect(sum(charge)).toBe(4);
  });

  it("is what was set aside where the style has one price for all, or the generator's less", () => {
    const plain = { ...item, pricing: null };
    expect(priceItem(plain, { link: own, usage: {} })).toEqual({});
    expect(priceItem(plain, { link: own, usage: {}, actualCost: 1 })).toEqual({ actualCost: 1 });
  });

  it("follows the tokens that were counted", () => {
    const usage = { inputTokens: 500, outputTokens: 120 };
    const priced = priceItem({ ...item, cost: 5, pricing: byTokens }, { link: own, usage });
    expect([priced.actualCost, sum(priced.charge)]).toEqual([2, 2]);
  });

  it("stays nothing where it was free", () => {
    expect(priceItem({ ...item, cost: 0 }, { link: own, usage: {} })).toEqual({});
  });

  it("is never above what was set aside, and the lines say so", () => {
    const { actualCost, charge } = priceItem({ ...item, cost: 3 }, { link: own, usage: {} });
    expect([actualCost, sum(charge), charge?.at(-1)?.kind]).toEqual([3, 3, "fallback"]);
  });
});

describe("the price of a fallback's work", () => {
  const other = (base: string) => ({ index: 1, pricing: { base } });

  it("is the fallback's own, below or at what was set aside", () => {
    const cheap = priceItem(item, { link: other("1"), usage: {} });
    expect([cheap.actualCost, sum(cheap.charge), cheap.charge?.[0]?.kind]).toEqual([
      1,
      1,
      "fallback",
    ]);
    const dear = priceItem(item, { link: other("9"), usage: {} });
    expect([dear.actualCost, sum(dear.charge)]).toEqual([4, 4]);
  });

  it("is the style's where it has none, or one that can't be read", () => {
    for (const link of [{ index: 1 }, { index: 1, pricing: { base: "x" } }]) {
      expect(priceItem(item, { link, usage: {} }).actualCost).toBe(4);
    }
  });

  it("is what was told where it has no price for what was asked", () => {
    const factors = [{ param: "size", values: { tiny: "1" } }];
    const link = { index: 1, pricing: { base: "1", factors } };
    const priced = priceItem(item, { link, usage: {} });
    expect([priced.actualCost, sum(priced.charge)]).toEqual([undefined, 4]);
  });
});
