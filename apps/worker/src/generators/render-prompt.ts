import { listDefaults, readStyleInputs } from "@ducat/types/style-inputs";
import type { Task } from "./generator.ts";

const placeholder = /\{(label|input|params\.[A-Za-z0-9_]{1,64})\}/g;
const mostValueLength = 2_000;
const mostInputLength = 20_000;

/**
 * The style's template with what the caller gave in its places: {label}, {input} (the prompt or the
 * address) and {params.x}. Label and input follow the template where it has no place for them. One
 * pass: what a caller writes in braces stays as it is.
 */
export function renderPrompt(task: Pick<Task, "style" | "input" | "label" | "params">): string {
  const { prompt: template } = task.style;
  const label = toLine(task.label ?? "");
  const input = toText(readInput(task.input), mostInputLength);
  const params = readParams(task);
  const text = template.replace(placeholder, (_, name: string) => {
    if (name === "label") return label;
    if (name === "input") return input;
    const param = name.slice("params.".length);
    // {params.constructor} is nobody's param, but every object's member.
    return Object.hasOwn(params, param) ? toLine(params[param]) : "";
  });
  const rest = [
    template.includes("{label}") ? "" : label,
    template.includes("{input}") ? "" : input,
  ];
  return [text.trim(), ...rest].filter((part) => part !== "").join("\n\n");
}

/** The caller's params, and the style's own values of those that it offers and nobody named. */
export function readParams({ style, params }: Pick<Task, "style" | "params">): Task["params"] {
  const inputs = readStyleInputs(style.params.inputs);
  return inputs ? { ...listDefaults(inputs), ...params } : params;
}

function readInput(input: Task["input"]): string {
  if (input.type === "text") return input.prompt;
  return input.address ?? "";
}

/** One line: a value must not look like more of the template. */
function toLine(value: unknown): string {
  const text = typeof value === "string" ? value : value == null ? "" : JSON.stringify(value);
  return toText(text, mostValueLength).replace(/\s+/gu, " ").trim();
}

function toText(text: string, limit: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  const plain = text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "");
  // The cut may go through a pair, and half a one is refused by some.
  return plain.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
}
