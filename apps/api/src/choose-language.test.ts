import { describe, expect, it } from "vitest";
import { chooseLanguage, pickText } from "./choose-language.ts";

describe("chooseLanguage", () => {
  it.each([
    ["fa-IR, en;q=0.5", "en", "fa-IR"],
    ["en;q=0.5, FA-ir", "en", "fa-IR"],
    ["xx-nonsense-that-is-none, fa", "en", "fa"],
    ["*", "fa", "fa"],
    ["", "fa-IR", "fa-IR"],
    ["fa;q=0, de", "en", "de"],
    [undefined, undefined, "en"],
    [undefined, "no such language", "en"],
    ["'; DROP, \u0000, ,;,=", "fa", "fa"],
    [`${"x,".repeat(5_000)}fa`, undefined, "en"],
  ])("takes %j before an account's %j: %s", (header, own, language) => {
    expect(chooseLanguage(header, own)).toBe(language);
  });
});

it("picks a text by language, its parent, or English", () => {
  const texts = { en: "Free", fa: "رایگان" };
  expect(pickText(texts, "fa-IR")).toBe("رایگان");
  expect(pickText(texts, "de-AT")).toBe("Free");
  expect(pickText({ fa: "رایگان" }, "de")).toBe("رایگان");
});
