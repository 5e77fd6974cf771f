/** How much of a value goes into a prompt, in UTF-16 units. */
const most = { label: 200, input: 4_000, param: 500 };
const maxPromptLength = 16_000;

/** `{label}`, `{input}` or `{params.tone}`; a doubled brace is a brace. */
const mark = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;
const known = /^(label|input|params\.[A-Za-z_][A-Za-z0-9_]{0,63})$/;

type Values = {
  label: string | null;
  /** The prompt or the address of the input; empty for a photo. */
  input: string;
  params: Record<string, unknown>;
};

/** The sentence that says what is wrong with a prompt template; undefined when nothing is. */
export function findTemplateFault(template: string): string | undefined {
  for (const [found, name] of template.matchAll(mark)) {
    if (found === "{{" || found === "}}") continue;
    if (name === undefined) return "A brace stands alone; double it to have one in the prompt.";
    if (known.test(name)) continue;
    return `There is no {${name}}: only {label}, {input} and {params.name}.`;
  }
  return undefined;
}

/**
 * The prompt that a template makes of a request. What callers gave stays one line of text, cut to a
 * limit, and is never read as a template itself; what they didn't give leaves no trace. Lists and
 * objects are written as JSON.
 */
export function renderPrompt(template: string, values: Values): string {
  const prompt = template.replace(mark, (found, name: string | undefined) => {
    if (found === "{{") return "{";
    if (found === "}}") return "}";
    return name === undefined ? found : fill(name, values);
  });
  const lines = prompt.split("\n").map((line) => line.replace(/[ \t]+/g, " ").trim());
  return cut(lines.join("\n").trim(), maxPromptLength);
}

function fill(name: string, { label, input, params }: Values): string {
  if (name === "label") return flatten(label ?? "", most.label);
  if (name === "input") return flatten(input, most.input);
  const param = name.slice("params.".length);
  const value = Object.hasOwn(params, param) ? params[param] : undefined;
  if (value === undefined || value === null) return "";
  return flatten(typeof value === "object" ? JSON.stringify(value) : String(value), most.param);
}

/** One line without control characters, so that a value can't pass for a part of the template. */
const flatten = (text: string, length: number): string =>
  cut(text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim(), length);

/** Not within a pair of surrogates. */
const cut = (text: string, length: number): string =>
  text.length <= length ? text : text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
