import { expect, it } from "vitest";
import { mapColumns } from "./map-columns.ts";

it("knows columns by what a mapping, their own names and people call them", () => {
  const header = ["Title", " PROMPT ", "توضيحات", "tone", "x"];
  const columns = mapColumns(header, { mapping: { X: "label" }, params: ["tone"] });
  expect(columns.members).toEqual([null, "prompt", null, "params.tone", "label"]);
});

it.each<[string, Record<string, string | null>, string]>([
  ["the file doesn't have", { price: "label" }, "/mapping"],
  ["has no name", { " ": "label" }, "/mapping"],
  ["is named twice", { SKU: "label", sku: "prompt" }, "/mapping"],
  ["is named twice, once as nothing", { SKU: null, sku: "prompt" }, "/mapping"],
  ["is no member", { sku: "cost" }, "/mapping"],
])("refuses a mapping of a column that %s", (_, mapping, pointer) => {
  const map = () => mapColumns(["sku", "", "text"], { mapping, params: [] });
  const errors = [expect.objectContaining({ pointer })];
  expect(map).toThrow(expect.objectContaining({ detail: expect.objectContaining({ errors }) }));
});
