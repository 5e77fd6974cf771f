import type { Context } from "hono";
import type { AppEnv } from "../deps.ts";

const mostRanges = 50;

/** Whether the request asks for CSV rather than JSON; the answer then depends on its Accept. */
export function prefersCsv(c: Context<AppEnv>): boolean {
  c.header("vary", "Accept", { append: true });
  return chooseType(c.req.header("accept") ?? "") === "text/csv";
}

/** By the weights of RFC 9110, 12.5.1; JSON where both are as welcome, or neither is. */
export function chooseType(accept: string): "application/json" | "text/csv" {
  const ranges = accept.split(",").slice(0, mostRanges).flatMap(readRange);
  return weigh("text/csv", ranges) > weigh("application/json", ranges)
    ? "text/csv"
    : "application/json";
}

type Range = { type: string; weight: number };

/** Ranges that nobody can read say nothing. */
function readRange(text: string): Range[] {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  if (!/^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/.test(type)) return [];
  const given = parameters.find((parameter) => /^q\s*=/.test(parameter));
  if (given === undefined) return [{ type, weight: 1 }];
  const [, q] = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(given) ?? [];
  return q === undefined ? [] : [{ type, weight: Number(q) }];
}

/** The most exact range that fits says how welcome a type is. */
function weigh(type: string, ranges: Range[]): number {
  for (const name of [type, type.replace(/\/.*/, "/*"), "*/*"]) {
    const found = ranges.filter((range) => range.type === name);
    if (found.length > 0) return Math.max(...found.map(({ weight }) => weight));
  }
  return 0;
}
