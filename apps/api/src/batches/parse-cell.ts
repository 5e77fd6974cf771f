import type { StyleInputs } from "@ducat/types/style-inputs";
import { parseStrictJson } from "../strict-json.ts";

const longestKey = 64;

type InputType = StyleInputs["properties"][string]["type"];

/**
 * What a cell says of a param, by the type that its style wants. An object, which `attributes` are
 * in any case, is JSON, or `colour: red; size: 4`; a list is parted by `;`, `|` or lines. What is
 * none of its type stays the text that it is, and is refused as that.
 */
export function parseCell(name: string, cell: string, type?: InputType): unknown {
  if (type === "integer" || type === "number") return toNumber(cell);
  if (type === "boolean") return toFlag(cell);
  if (type === "array") return split(cell).map((one) => one.trim());
  return type === "object" || (!type && name === "attributes") ? toObject(cell) : cell;
}

const split = (cell: string) => cell.split(/[;|\n]/).filter((one) => one.trim() !== "");

const toNumber = (cell: string) => (/^-?\d{1,15}(\.\d{1,15})?$/.test(cell) ? Number(cell) : cell);

function toFlag(cell: string): unknown {
  const text = cell.toLowerCase();
  return text === "true" || text === "false" ? text === "true" : cell;
}

function toObject(cell: string): unknown {
  if (cell.startsWith("{")) {
    try {
      return parseStrictJson(cell);
    } catch {
      return cell;
    }
  }
  const entries = split(cell).map((pair) => {
    const at = pair.search(/[:=]/);
    return at < 0
      ? (["", ""] as const)
      : ([pair.slice(0, at).trim(), pair.slice(at + 1).trim()] as const);
  });
  const isPair = ([key, value]: readonly [string, string]) =>
    key !== "" && key.length <= longestKey && key !== "__proto__" && value !== "";
  return entries.every(isPair) ? Object.fromEntries(entries) : cell;
}
