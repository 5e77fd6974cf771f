import { expect, it } from "vitest";
import { findTemplateFault } from "./prompt-template.ts";

it("takes what a request has: the label, the input and any param", () => {
  expect(findTemplateFault("Restyle {input}: {label}. {params.tone}, {params.size_2}")).toBe(
    undefined,
  );
  expect(findTemplateFault("A garden at night.")).toBe(undefined);
});

it("takes other braces for text", () => {
  expect(findTemplateFault('Answer as {"title": "…", "tags": {"a": 1}}. a } or { b')).toBe(
    undefined,
  );
});

it("finds a name that no request has", () => {
  for (const name of ["lable", "params", "params.", "params.a.b", "", "input.type", "Label"]) {
    expect(findTemplateFault(`A {label} of {${name}}`), name).toContain(`Not {${name}}`);
  }
  for (const name of [" label", "label ", " params.tone "]) {
    expect(findTemplateFault(`A {${name}}`), name).toContain("No spaces");
  }
});
