import { expect, it } from "vitest";
import { isPlace, makeChain, readMark, writeMark } from "./chain.ts";

const chain = makeChain({
  generator: "openai",
  style_params: { model: "a" },
  fallbacks: [
    { generator: "openai", params: { model: "b" } },
    { generator: "google", params: { model: "c" }, pricing: { base: "2" } },
  ],
});

it("is the style's own model, then its fallbacks, each provider once", () => {
  expect(chain).toEqual([
    { index: 0, provider: "openai", params: { model: "a" } },
    { index: 2, provider: "google", params: { model: "c" }, pricing: { base: "2" } },
  ]);
  expect(makeChain({ generator: "local", style_params: {} })).toEqual([
    { index: 0, provider: "local", params: {} },
  ]);
});

it("keeps whose a request is beside its id, whatever is in it", () => {
  const [first, second] = chain;
  if (!first || !second) throw new Error("two are expected");
  for (const id of ["abc", "1.0:google:abc", "a:b\n:c", null]) {
    const mark = { index: 2, tries: 1, id };
    expect(readMark(writeMark(second, mark), chain)).toEqual(mark);
    const other = { index: 0, tries: 0, id };
    expect(readMark(writeMark(first, other), chain)).toEqual(other);
    expect(isPlace(writeMark(second, mark))).toBe(id === null);
  }
});

it("takes an id without a mark, or with another style's, for the first model's", () => {
  const first = { index: 0, tries: 0 };
  expect(readMark(null, chain)).toEqual({ ...first, id: null });
  for (const id of ["local-123", "7.0:google:abc", "2.0:openai:abc"]) {
    expect(readMark(id, chain)).toEqual({ ...first, id });
  }
});

it("knows a mark without an id from what providers call their work", () => {
  for (const id of [null, "", "abc", "local-123", "sent"]) expect(isPlace(id)).toBe(false);
  expect(isPlace("1.0:openai:")).toBe(true);
});
