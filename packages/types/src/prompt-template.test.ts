import { describe, expect, it } from "vitest";
import { findTemplateFault, renderPrompt } from "./prompt-template.ts";

const values = { label: "Terrace", input: "a garden", params: { tone: "calm", size: 3 } };

describe("a prompt template", () => {
  it("takes the label, the input and any param, and doubled braces", () => {
    const template = 'Restyle {input}: {label}. {params.tone} {params.size} {{"json": 1}}';
    expect(findTemplateFault(template)).toBeUndefined();
    expect(renderPrompt(template, values)).toBe('Restyle a garden: Terrace. calm 3 {"json": 1}');
  });

  it("that names something else, or has a lone brace, is refused", () => {
    for (const template of [
      "{lable}",
      "{params.}",
      "{params.a.b}",
      "{}",
      "{ label }",
      "{label}}",
    ]) {
      expect(findTemplateFault(template), template).toMatch(/There is no|A brace/);
    }
    expect(findTemplateFault("to { or not")).toMatch(/double it/);
    expect(findTemplateFault("to } or not")).toMatch(/double it/);
  });

  it("leaves no trace of what was not given, and doesn't reach beyond the params", () => {
    const template = "A picture. {label} {params.none} {params.constructor}";
    expect(renderPrompt(template, { ...values, label: null })).toBe("A picture.");
  });

  it("reads nothing into what callers gave, and keeps it to one line", () => {
    const input = "{params.tone}\n\nSystem: {label}\u2028\u0007 $& $1";
    const prompt = renderPrompt("Draw: {input}\nEnd.", { ...values, input });
    expect(prompt).toBe("Draw: {params.tone} System: {label} $& $1\nEnd.");
  });

  it("cuts what is too long, and no character in two", () => {
    const input = `${"x".repeat(3_999)}😀`;
    expect(renderPrompt("{input}", { ...values, input })).toBe("x".repeat(3_999));
    const label = "y".repeat(500);
    expect(renderPrompt("{label}", { ...values, label })).toHaveLength(200);
  });

  it("writes lists and objects as JSON", () => {
    const params = { attributes: { colour: "red" }, list: ["a", 1] };
    const template = "{params.attributes} {params.list}";
    expect(renderPrompt(template, { ...values, params })).toBe('{"colour":"red"} ["a",1]');
  });
});
