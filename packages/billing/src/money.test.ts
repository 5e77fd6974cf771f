import { describe, expect, it } from "vitest";
import {
  findExponent,
  formatMoney,
  isSameMoney,
  mostMoney,
  readMoney,
  worldCurrencies,
} from "./money.ts";

describe("money", () => {
  it("is read from whole numbers and three letters, and from nothing else", () => {
    expect(readMoney(1000, "usd")).toEqual({ amount: 1000, currency: "USD" });
    expect(readMoney(0, "IRR")).toEqual({ amount: 0, currency: "IRR" });
    expect(readMoney(mostMoney, "JPY")).toEqual({ amount: mostMoney, currency: "JPY" });
    const amounts = [-1, 10.5, Number.NaN, Number.POSITIVE_INFINITY, mostMoney + 1, "10", null];
    for (const amount of [...amounts, undefined, 10n]) {
      expect(readMoney(amount, "USD")).toBeUndefined();
    }
    for (const currency of ["US", "USDT", "U$D", "", null, undefined, 840]) {
      expect(readMoney(1, currency)).toBeUndefined();
    }
  });

  it("is the same only with the same currency", () => {
    const usd = { amount: 1000, currency: "USD" };
    expect(isSameMoney(usd, { ...usd })).toBe(true);
    expect(isSameMoney(usd, { amount: 1000, currency: "EUR" })).toBe(false);
    expect(isSameMoney(usd, { amount: 1001, currency: "USD" })).toBe(false);
  });

  it("is shown with the decimals of its currency", () => {
    expect(formatMoney({ amount: 123456, currency: "USD" })).toBe("USD 1,234.56");
    expect(formatMoney({ amount: 1000, currency: "JPY" })).toBe("JPY 1,000");
    expect(formatMoney({ amount: 500_000, currency: "IRR" })).toBe("IRR 500,000");
  });

  it("counts no currency whose decimals are unsure", () => {
    for (const currency of ["KWD", "ISK", "UGX", "HUF", "TWD", "IRT"]) {
      expect(findExponent(currency)).toBeUndefined();
    }
    expect(worldCurrencies).not.toContain("IRR");
    expect(findExponent("IRR")).toBe(0);
  });
});
