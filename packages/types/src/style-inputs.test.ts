import { expect, it } from "vitest";
import { findParamFaults, listDefaults, readStyleInputs, StyleInputs } from "./style-inputs.ts";

const inputs = StyleInputs.parse({
  properties: {
    tone: { type: "string", enum: ["calm", "loud"], default: "calm" },
    name: { type: "string", minLength: 2, maxLength: 4 },
    steps: { type: "integer", minimum: 1, maximum: 9, default: 4 },
    weight: { type: "number" },
    hd: { type: "boolean" },
    attributes: {
      type: "object",
      additionalProperties: { type: "string", maxLength: 5 },
      maxProperties: 2,
    },
    tags: { type: "array", items: { type: "string", maxLength: 3 }, maxItems: 2 },
  },
  required: ["name"],
});
const at = (params: Record<string, unknown>) =>
  findParamFaults(inputs, { name: "abc", ...params }).map(({ pointer }) => pointer);

it("takes what the style offers, and the faults that test mode plays", () => {
  const params = { tone: "loud", steps: 9, weight: 0.5, hd: false, simulate: "slow" };
  expect(at({ ...params, attributes: { a: "red" }, tags: ["a", "b"] })).toEqual([]);
});

it.each([
  ["/params/tone", { tone: "shrill" }],
  ["/params/tone", { tone: null }],
  ["/params/name", { name: "a" }],
  ["/params/name", { name: "abcde" }],
  ["/params/steps", { steps: 1.5 }],
  ["/params/steps", { steps: 0 }],
  ["/params/steps", { steps: 10 }],
  ["/params/steps", { steps: "4" }],
  ["/params/weight", { weight: true }],
  ["/params/hd", { hd: "true" }],
  ["/params/attributes", { attributes: [] }],
  ["/params/attributes", { attributes: { a: "", b: "", c: "" } }],
  ["/params/attributes/a~1b", { attributes: { "a/b": 7 } }],
  ["/params/attributes/a", { attributes: { a: "longer" } }],
  ["/params/tags", { tags: "a" }],
  ["/params/tags/1", { tags: ["a", 7] }],
  ["/params/tags", { tags: ["a", "b", "c"] }],
  ["/params/tonne", { tonne: "calm" }],
  ["/params/__proto__", JSON.parse('{"__proto__": "calm"}')],
  ["/params/constructor", JSON.parse('{"constructor": "calm"}')],
])("tells a fault at %s", (pointer, params) => {
  const own = Object.fromEntries(Object.entries(params));
  expect(findParamFaults(inputs, { name: "abc", ...own }).map((one) => one.pointer)).toEqual([
    pointer,
  ]);
});

it("tells what is missing, and no more than twenty faults, with short pointers", () => {
  expect(findParamFaults(inputs, {})).toEqual([
    { pointer: "/params/name", detail: "It is required." },
  ]);
  const many = Array.from({ length: 40 }, (_, index) => [`${"x".repeat(300)}${index}`, 1]);
  const faults = findParamFaults(inputs, Object.fromEntries(many));
  expect(faults).toHaveLength(20);
  expect(Math.max(...faults.map(({ pointer }) => pointer.length))).toBe(200);
});

it("takes other names where the style says so", () => {
  const open = { ...inputs, additionalProperties: true };
  expect(findParamFaults(open, { name: "abc", other: 1 })).toEqual([]);
});

it("knows what requests that name none have", () => {
  expect(listDefaults(inputs)).toEqual({ tone: "calm", steps: 4 });
});

it.each([
  { properties: { a: { type: "date" } } },
  { properties: { "a b": { type: "string" } } },
  { properties: { simulate: { type: "string" } } },
  { properties: { a: { type: "string", enum: ["b"], default: "c" } } },
  { properties: { a: { type: "integer", maximum: 3, default: 4 } } },
  { properties: {}, required: ["a"] },
  { properties: { a: { type: "string", pattern: "(a+)+" } } },
  ["size"],
])("is no description of params: %j", (given) => {
  expect(readStyleInputs(given)).toBeUndefined();
});
