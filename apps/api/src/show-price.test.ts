import { expect, it } from "vitest";
import { displayPrice, formatPrice } from "./show-price.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

it.each([
  [{ amount: 900, currency: "USD" }, "en", "$9.00"],
  [{ amount: 900, currency: "USD" }, "fa", "۹٫۰۰ دلار آمریکا"],
  [{ amount: 50_000, currency: "IRR" }, "en", "IRR 50,000"],
  [{ amount: 50_000, currency: "IRR" }, "fa-IR", "۵۰٬۰۰۰ ریال ایران"],
  [{ amount: 1_234, currency: "JPY" }, "en", "¥1,234"],
  [{ amount: 950, currency: "EUR" }, "de", "9,50 €"],
])("writes %j in %s as %s", (money, language, text) => {
  expect(plain(formatPrice(money, language))).toBe(text);
});

it("needs no mark of direction where one writes from the right", () => {
  for (const language of ["fa", "fa-IR", "he", "ur"]) {
    for (const currency of ["USD", "EUR", "IRR", "JPY"]) {
      const text = formatPrice({ amount: 123_456, currency }, language);
      expect(text, `${language} ${currency}`).not.toMatch(
        /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/,
      );
      expect(text).not.toMatch(/[A-Za-z$€¥]/);
    }
  }
});

const deal = { amount: 6000, currency: "USD", interval: "once", credits: 220 } as const;

it("tells the price of a credit, with a digit more where it is a fraction", () => {
  const shown = displayPrice({ ...deal, language: "en", compared: 11_000 });
  expect(shown).toEqual({
    price: "$60.00",
    per_credit: "$0.273",
    per_month: null,
    savings: "45%",
  });
  expect(displayPrice({ ...deal, credits: 100, language: "en", compared: 6000 })).toMatchObject({
    per_credit: "$0.60",
    savings: null,
  });
});

it("tells what a year saves and comes to by the month", () => {
  const year = { amount: 9000, currency: "USD", interval: "year", credits: 0 } as const;
  expect(displayPrice({ ...year, language: "en", compared: 10_800 })).toEqual({
    price: "$90.00",
    per_credit: null,
    per_month: "$7.50",
    savings: "17%",
  });
  expect(displayPrice({ ...year, language: "fa", compared: 10_800 }).savings).toBe("۱۷٪");
  expect(displayPrice({ ...year, credits: 10, language: "en", compared: undefined })).toMatchObject(
    {
      per_credit: "$0.75",
      savings: null,
    },
  );
  // More than twelve months is no saving.
  expect(displayPrice({ ...year, language: "en", compared: 8000 }).savings).toBeNull();
});
