import { parseStrictJson } from "../strict-json.ts";

/**
 * What a cell says of a param. Attributes are an object: JSON, or `colour: red; size: 4`. All else
 * is the text as it stands: a style that wants a number reads it as one.
 */
export function parseCell(name: string, cell: string): unknown {
  if (name !== "attributes") return cell;
  if (cell.startsWith("{")) {
    try {
      return parseStrictJson(cell);
    } catch {
      return cell;
    }
  }
  const pairs = cell.split(/[;|\n]/).filter((one) => one.trim() !== "");
  const entries = pairs.map((pair) => {
    const [, key = "", value = ""] = /^\s*([^:=]{1,64}?)\s*[:=]\s*(.+?)\s*$/s.exec(pair) ?? [];
    return [key, value] as const;
  });
  const isObject = entries.every(([key]) => key !== "" && key !== "__proto__");
  return isObject ? Object.fromEntries(entries) : cell;
}
