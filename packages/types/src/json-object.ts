import { z } from "zod";
import { isStorable } from "./text.ts";

/**
 * How large a free-form object may be: bytes of its JSON (with all digits of its numbers), its own
 * members, levels of nesting.
 */
export type Bounds = { bytes: number; members: number; depth: number };

/** The sentence that says which bound a free-form object breaks; undefined when it breaks none. */
export function findExcess(value: Record<string, unknown>, bounds: Bounds): string | undefined {
  if (Object.keys(value).length > bounds.members) return `At most ${bounds.members} members.`;
  // Before it is written as JSON: that recurses as deep as the value does.
  if (!isShallow(value, bounds.depth)) return `At most ${bounds.depth} levels of nesting.`;
  if (!isStorableJson(value)) return "NUL and lone surrogates are not accepted.";
  return countBytes(value) > bounds.bytes ? `At most ${bounds.bytes} bytes as JSON.` : undefined;
}

/** Bytes of the JSON with all digits written out, as PostgreSQL's jsonb keeps and tells numbers. */
function countBytes(value: object): number {
  const json = JSON.stringify(value);
  // Few have such numbers, or words that look like them.
  const written = /\de[+-]\d/.test(json) ? JSON.stringify(value, writeOut) : json;
  return new TextEncoder().encode(written).length;
}

/** In place of a number with an exponent a text that is as long as its digits are. */
function writeOut(_key: string, member: unknown): unknown {
  if (typeof member !== "number") return member;
  const [digits = "", exponent] = String(member).split("e");
  return exponent === undefined ? member : digits + "0".repeat(Math.abs(Number(exponent)));
}

/** A JSON object whose members are the caller's business, within bounds. */
export const jsonObject = (bounds: Bounds) =>
  z.record(z.string(), z.unknown()).superRefine((value, context) => {
    const message = findExcess(value, bounds);
    if (message) context.addIssue({ code: "custom", message });
  });

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((member) => isShallow(member, depth - 1));
}

function isStorableJson(value: unknown): boolean {
  if (typeof value === "string") return isStorable(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorable(key) && isStorableJson(member));
}
