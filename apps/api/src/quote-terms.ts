import { findStyle } from "@ducat/db/styles";
import { DomainError } from "@ducat/types/errors";
import { type PriceLine, type Pricing, quotePrice, type Terms } from "@ducat/types/pricing";
import { findParamFaults, readStyleInputs, type StyleInputs } from "@ducat/types/style-inputs";
import type { Deps } from "./deps.ts";

/** A change of a style is told by its version when something is made with it. */
const styleLifeMs = 60_000;

type Wanted = {
  style: string;
  input: Record<string, unknown>;
  params: Record<string, unknown>;
  /** Items per area; left out: one. */
  n?: number | undefined;
};

export type Quoted = { styleVersion: number; terms: Terms };
type Priced = {
  version: number;
  cost: number;
  pricing: Pricing | null;
  /** Which params it takes; any may pass where it says nothing. */
  inputs?: StyleInputs | undefined;
};

/**
 * What an item of this request costs at most, and the version of the style that says so; undefined
 * where there is nothing to tell but the style's cost, which is looked at as it is taken.
 * Errors: validation_failed (a param that the style doesn't take, a value that has no price).
 */
export async function quoteTerms(
  { db, cache }: Pick<Deps, "db" | "cache">,
  wanted: Wanted,
): Promise<Quoted | undefined> {
  const load = async (): Promise<Priced> => {
    const style = await findStyle(db, wanted.style);
    if (!style) throw new DomainError("not_found", { extra: { what: "style" } });
    const { version, cost, pricing, inputs } = style;
    return { version, cost, pricing, inputs: readStyleInputs(inputs) };
  };
  const tags = [tagOf(wanted.style)];
  const found = cache.getOrSet(tagOf(wanted.style), { ttlMs: styleLifeMs, tags, load });
  // What is not on offer can still be repeated: whoever takes it decides.
  const style = await found.catch(ignoreMissing);
  if (!style) return undefined;
  if (!style.pricing && !style.inputs && (wanted.n ?? 1) === 1) return undefined;
  return { styleVersion: style.version, terms: makeTerms(style, wanted) };
}

/** What is remembered of a style is old. */
export const forgetTerms = ({ cache }: Pick<Deps, "cache">, style: string) =>
  cache.forget([tagOf(style)]);

type Offered = Pick<Priced, "cost" | "pricing" | "inputs">;

/** The price of an item by a version of a style. Errors: validation_failed. */
export function makeTerms(
  { cost, pricing, inputs }: Offered,
  { params, input, n = 1 }: Omit<Wanted, "style">,
): Terms {
  const errors = inputs ? findParamFaults(inputs, params) : [];
  if (errors.length > 0) throw new DomainError("validation_failed", { errors });
  const { most, lines } = pricing
    ? quotePrice(pricing, { params, input })
    : { most: cost, lines: listBase(cost) };
  return { unit: most, ...(n > 1 && { n }), lines };
}

/** The same for nothing: the plan has room for it. */
export const toFree = ({ n }: Terms): Terms => ({ unit: 0, ...(n && { n }), lines: [] });

/** The lines of a price that is the style's cost, or nothing. */
export const listBase = (credits: number): PriceLine[] =>
  credits === 0 ? [] : [{ kind: "base", credits }];

// An id that no style can have goes no further than this either.
const tagOf = (style: string) => `style:${encodeURIComponent(style)}`;

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof DomainError) || error.code !== "not_found") throw error;
}
