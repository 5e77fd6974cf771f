import { describe, expect, it } from "vitest";
import { createFormats } from "./formats.ts";
import { chooseLanguage } from "./language.ts";

const en = createFormats("en", { publicUrl: "https://pay.example" });
const fa = createFormats("fa", { publicUrl: "https://pay.example" });
const late = new Date("2026-11-20T21:30:00Z");

describe("money", () => {
  it("has the decimals of its currency", () => {
    expect(en.money({ amount: 900, currency: "USD" })).toBe("$9.00");
    expect(en.money({ amount: 900, currency: "CAD" })).toBe("CA$9.00");
    expect(en.money({ amount: 900, currency: "JPY" })).toBe("¥900");
    expect(fa.money({ amount: 900, currency: "USD" })).toMatch(/^۹٫۰۰ دلار [اآ]مریکا$/);
  });

  it("in rials is counted whole, and said in tomans in Persian", () => {
    const price = { amount: 500_005, currency: "IRR" };
    expect(en.money(price)).toBe("IRR 500,005");
    expect(fa.money(price)).toBe("۵۰۰٬۰۰۵ ریال (۵۰٬۰۰۰٫۵ تومان)");
    expect(fa.money({ amount: 50_000, currency: "IRR" })).toBe("۵۰٬۰۰۰ ریال (۵٬۰۰۰ تومان)");
    const most = { amount: 1_000_000_000_000, currency: "IRR" };
    expect(en.money(most)).toBe("IRR 1,000,000,000,000");
  });
});

it("times name their zone, in Persian by the Persian calendar", () => {
  expect(en.time(late)).toBe("20 November 2026, 21:30 UTC");
  expect(fa.time(late)).toBe("۳۰ آبان ۱۴۰۵، ساعت ۱:۰۰ به وقت تهران");
  expect(fa.day(new Date("2026-03-20T20:29:00Z"))).toBe("۲۹ اسفند ۱۴۰۴");
  expect(fa.day(new Date("2026-03-20T20:31:00Z"))).toBe("۱ فروردین ۱۴۰۵");
});

it("names are kept together where they run the other way, and fall back to what there is", () => {
  expect(en.name({ en: "Basic", fa: "پایه" })).toBe("Basic");
  expect(fa.name({ en: "Basic", fa: "پایه" })).toBe("پایه");
  expect(fa.name({ en: "Basic" })).toBe("\u2068Basic\u2069");
  expect(en.name({ fa: "پایه" })).toBe("\u2068پایه\u2069");
});

it("speaks Persian where the locale says so, and English everywhere else", () => {
  for (const locale of ["fa", "fa-IR", "FA_ir"]) expect(chooseLanguage(locale)).toBe("fa");
  for (const locale of ["en", "", "de", "fake", "far"]) expect(chooseLanguage(locale)).toBe("en");
});

it("counts credits", () => {
  expect([1, 2, 1_500].map(en.credits)).toEqual(["1 credit", "2 credits", "1,500 credits"]);
  expect(fa.credits(1_500)).toBe("۱٬۵۰۰ اعتبار");
});
