import { z } from "zod";
import { DomainError } from "./errors.ts";
import {
  addRationals,
  multiplyRationals,
  type Rational,
  readDecimal,
  roundUp,
  toRational,
} from "./rational.ts";

/** No price is above it, as no style's cost is. */
export const maxUnitCost = 1_000_000;
const maxTokens = 10_000_000;

const Decimal = z
  .string()
  .regex(/^(0|[1-9]\d{0,6})(\.\d{1,6})?$/, {
    error: "A decimal of at most 6 digits after the point.",
    // What adds prices up reads decimals only.
    abort: true,
  })
  .meta({ examples: ["0.25"] });
const Param = z.string().regex(/^(input\.type|[A-Za-z_][A-Za-z0-9_]{0,63})$/, "As in size.");
/** By the value that a request names, as text: true is "true". */
const Values = z
  .record(z.string().min(1).max(100), Decimal)
  .refine((values) => Object.keys(values).length > 0, "At least one value.")
  .refine((values) => Object.keys(values).length <= 50, "At most 50 values.");

const Factor = z
  .strictObject({
    param: Param,
    values: Values,
    default: z
      .string()
      .max(100)
      .optional()
      .meta({ description: "The value of requests that name none; without it they pay once." }),
  })
  .refine(({ values, default: one }) => one === undefined || Object.hasOwn(values, one), {
    path: ["default"],
    message: "It must be one of the values.",
  });
const Extra = z.strictObject({ param: Param, values: Values });
const TokenPrice = z.strictObject({
  credits: Decimal,
  per: z.int().min(1, { abort: true }).max(maxTokens).meta({ description: "So many tokens." }),
});
const Tokens = z.strictObject({
  input: TokenPrice,
  output: TokenPrice,
  most_input: z.int().min(0).max(maxTokens).meta({ description: "Held, and charged, at most." }),
  most_output: z.int().min(0).max(maxTokens),
});

const Parts = z.strictObject({
  base: Decimal,
  factors: z.array(Factor).max(10).optional(),
  extras: z.array(Extra).max(10).optional(),
  tokens: Tokens.optional(),
  cached_percent: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .meta({ description: "Of the price, for a result that was there already; default 100." }),
});

/**
 * What an item costs by what is asked for: base × factors + extras + tokens, exact, and rounded up
 * to whole credits once, at the end.
 */
export const Pricing = Parts.refine(
  (pricing) => isAffordable(pricing),
  `It may come to ${maxUnitCost} at most.`,
).meta({ id: "Pricing" });
export type Pricing = z.infer<typeof Pricing>;

export const PriceLine = z
  .strictObject({
    kind: z.enum(["base", "factor", "extra", "tokens", "cached", "fallback"]),
    text: z.string().optional().meta({ description: "The reason, in words." }),
    param: z.string().optional(),
    value: z.string().optional(),
    credits: z.int().meta({ description: "The lines add up to the price." }),
  })
  .meta({ id: "PriceLine" });
export type PriceLine = z.infer<typeof PriceLine>;

/** What an item costs at most, as it was told when it was asked for; `n` items per area. */
export type Terms = { unit: number; n?: number; lines: PriceLine[] };

/** Another generator for the same style; without a pricing it costs what the style does. */
export type Fallback = {
  generator: string;
  params: Record<string, unknown>;
  pricing?: Pricing | undefined;
};

type Asked = { params: Record<string, unknown>; input?: { type?: unknown } | undefined };
type Used = {
  inputTokens?: number | undefined;
  outputTokens?: number | undefined;
  cached?: boolean | undefined;
};
type Line = Omit<PriceLine, "credits">;

/**
 * What an item costs at most, and why. Tokens count as many as may be used.
 * Errors: validation_failed at /params/<param> (a value that has no price).
 */
export function quotePrice(pricing: Pricing, asked: Asked): { most: number; lines: PriceLine[] } {
  const { tokens } = pricing;
  const most = { inputTokens: tokens?.most_input, outputTokens: tokens?.most_output };
  const { total, lines } = addUp(pricing, asked, { used: most, upTo: "up to " });
  return { most: total, lines };
}

/**
 * What an item costs in the end, never more than it was quoted at, and why. Tokens that nobody
 * has counted cost as many as may be used. Errors: those of quotePrice.
 */
export function settlePrice(
  pricing: Pricing,
  { usage, ...asked }: Asked & { usage: Used },
): { actual: number; lines: PriceLine[] } {
  const { tokens, cached_percent = 100 } = pricing;
  const used = {
    inputTokens: limitTokens(usage.inputTokens, tokens?.most_input),
    outputTokens: limitTokens(usage.outputTokens, tokens?.most_output),
  };
  const { total, lines } = addUp(pricing, asked, { used, upTo: "" });
  if (!usage.cached) return { actual: total, lines };
  const actual = Math.ceil((total * cached_percent) / 100);
  const text = `There already: ${cached_percent}%`;
  return { actual, lines: [...lines, { kind: "cached", text, credits: actual - total }] };
}

/** Adds lines up to the price so far; each has what it makes the rounded price differ by. */
function addUp(
  pricing: Pricing,
  asked: Asked,
  { used, upTo }: { used: Used; upTo: string },
): { total: number; lines: PriceLine[] } {
  const lines: PriceLine[] = [];
  let sum = toRational(0);
  const grow = (next: Rational, line: Line) => {
    lines.push({ ...line, credits: roundUp(next) - roundUp(sum) });
    sum = next;
  };
  grow(readDecimal(pricing.base), { kind: "base", text: `Base: ${pricing.base}` });
  for (const { default: standard, ...table } of pricing.factors ?? []) {
    const { param } = table;
    const named = findValue(table, asked);
    const value = named === undefined ? standard : named;
    if (value === undefined || value === null) continue;
    const factor = readPrice(table, value);
    const text = `${param} ${value}: × ${factor}`;
    grow(multiplyRationals(sum, readDecimal(factor)), { kind: "factor", text, param, value });
  }
  for (const table of pricing.extras ?? []) {
    const { param } = table;
    const value = findValue(table, asked);
    if (value === undefined || value === null) continue;
    const extra = readPrice(table, value);
    const text = `${param} ${value}: + ${extra}`;
    grow(addRationals(sum, readDecimal(extra)), { kind: "extra", text, param, value });
  }
  for (const side of ["input", "output"] as const) {
    const price = pricing.tokens?.[side];
    const count = side === "input" ? used.inputTokens : used.outputTokens;
    if (!price || count === undefined) continue;
    const text = `${upTo}${count} tokens of ${side}: ${price.credits} for each ${price.per}`;
    grow(addRationals(sum, priceTokens(price, count)), { kind: "tokens", text, param: side });
  }
  return { total: roundUp(sum), lines };
}

type Table = { param: string; values: Record<string, string> };

/** The value that a request names; undefined where it names none, null where it says it is off. */
function findValue({ param, values }: Table, { params, input }: Asked): string | null | undefined {
  const given = param === "input.type" ? input?.type : getOwn(params, param);
  if (given === undefined) return undefined;
  const isPlain = typeof given === "string" || typeof given === "number";
  const value = isPlain || typeof given === "boolean" ? String(given) : undefined;
  if (value !== undefined && Object.hasOwn(values, value)) return value;
  if (given === false) return null;
  const detail = `It must be one of: ${Object.keys(values).join(", ")}.`;
  const pointer = param === "input.type" ? "/input/type" : `/params/${param}`;
  throw new DomainError("validation_failed", { errors: [{ pointer, detail }] });
}

const getOwn = (params: Record<string, unknown>, name: string) =>
  Object.hasOwn(params, name) ? params[name] : undefined;

function readPrice({ param, values }: Table, value: string): string {
  const price = values[value];
  if (price === undefined) throw new Error(`${param} has no price for ${value}`);
  return price;
}

const priceTokens = ({ credits, per }: { credits: string; per: number }, count: number) => {
  const { above, below } = readDecimal(credits);
  return { above: above * BigInt(count), below: below * BigInt(per) };
};

/** A count that is none, or missing, is what may be used at most. */
function limitTokens(count: number | undefined, most: number | undefined): number | undefined {
  if (most === undefined) return undefined;
  if (count === undefined || !Number.isInteger(count) || count < 0) return most;
  return Math.min(count, most);
}

/** Whether no request can come to more than a style may cost. */
function isAffordable({ base, factors = [], extras = [], tokens }: z.infer<typeof Parts>): boolean {
  let sum = readDecimal(base);
  for (const { values } of factors) {
    const highest = max([toRational(1), ...Object.values(values).map(readDecimal)]);
    sum = multiplyRationals(sum, highest);
  }
  for (const { values } of extras) {
    sum = addRationals(sum, max(Object.values(values).map(readDecimal)));
  }
  if (tokens) {
    sum = addRationals(sum, priceTokens(tokens.input, tokens.most_input));
    sum = addRationals(sum, priceTokens(tokens.output, tokens.most_output));
  }
  return sum.above <= BigInt(maxUnitCost) * sum.below;
}

const max = (all: Rational[]): Rational =>
  all.reduce((a, b) => (a.above * b.below >= b.above * a.below ? a : b), toRational(0));
