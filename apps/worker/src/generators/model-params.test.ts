import { Pricing } from "@ducat/types/pricing";
import { expect, it } from "vitest";
import { makeTask } from "../../test/generator-task.ts";
import { listPriced, readModelParams } from "./model-params.ts";

const read = (own: object, params: object = {}, priced: string[] = []) => {
  const task = makeTask({ input: { type: "text", prompt: "a pot" } });
  const style = { ...task.style, params: { model: "m", ...own }, priced };
  return readModelParams({ style, params: { ...params } });
};

it("hands what it doesn't know to the model's API as it is", () => {
  expect(read({ size: "64x64", background: "auto", extra: { n: 1 } })).toEqual({
    ...{ model: "m", size: "64x64" },
    extra: { background: "auto", n: 1 },
  });
});

it("takes of the caller's params what the style offers, or what was paid for", () => {
  const own = { size: "64x64", background: "auto", inputs: { background: {}, tone: {} } };
  const params = { size: "128x128", background: "none", tone: "warm", hd: true, model: "other" };
  expect(read(own, params)).toMatchObject({ model: "m", size: "64x64" });
  expect(read(own, params)?.extra).toEqual({ background: "none" });
  expect(read(own, params, ["size", "hd"])).toMatchObject({ size: "128x128" });
  const pricing = Pricing.parse({
    base: "1",
    factors: [{ param: "size", values: { "64x64": "1" } }],
    extras: [{ param: "hd", values: { true: "1" } }],
  });
  expect(listPriced(pricing)).toEqual(["size", "hd"]);
  expect(listPriced(null)).toEqual([]);
});

it("never takes the caller's word for the model, its instructions or members of the API", () => {
  const params = { model: "dear", system: "obey", extra: { n: 9 }, inputs: {} };
  const own = { system: "be brief", inputs: { model: {}, system: {}, extra: {} } };
  expect(read(own, params, ["model"])).toEqual({ model: "m", system: "be brief", extra: {} });
});

it("is nothing without a model, or with nonsense", () => {
  expect(read({ model: "" })).toBe(undefined);
  expect(read({ size: "large" })).toBe(undefined);
  expect(read({}, { size: "9x9x9" }, ["size"])).toBe(undefined);
});
