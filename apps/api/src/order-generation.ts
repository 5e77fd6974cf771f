import type { NewGeneration } from "@ducat/db/generations";
import { type CreatedGeneration, createGeneration, isKeyUsed } from "@ducat/db/generations";
import { findStyle } from "@ducat/db/styles";
import { type Quote, takesQuota } from "@ducat/entitlements/quote-generation";
import { DomainError } from "@ducat/types/errors";
import type { Deps } from "./deps.ts";
import { forgetTerms, type Quoted as QuotedTerms, quoteTerms, toFree } from "./quote-terms.ts";

type OrderDeps = Pick<Deps, "db" | "cache" | "entitlements">;
/**
 * `areas`: how many items the request calls so; left out: it has items of another kind. `n`: how
 * many of the labels stand for the same area, one after the other.
 */
export type WantedGeneration = Omit<NewGeneration, "terms" | "styleVersion"> & {
  areas?: number | undefined;
  n?: number | undefined;
};
type Quoted = (Quote & { priced: QuotedTerms | undefined }) | { refusal: DomainError };

/** How often a price is quoted while its style is published anew in between. */
const mostQuotes = 3;

/**
 * Creates a generation as the account's plan has it: with what it takes of quotas, free where a
 * limit of free styles has room. The quote is made of what this process remembers; a refusal that
 * may come of an old memory is looked at once more with a new one. Errors: those of
 * createGeneration.
 */
export async function orderGeneration(
  deps: OrderDeps,
  accountId: string,
  wanted: WantedGeneration,
): Promise<CreatedGeneration> {
  for (let tries = 1; ; tries++) {
    try {
      return await orderOnce(deps, accountId, wanted);
    } catch (error) {
      if (!isOldPrice(error)) throw error;
      if (tries === mostQuotes) throw new DomainError("unavailable", {}, { cause: error });
      await forgetTerms(deps, wanted.style);
    }
  }
}

async function orderOnce(
  deps: OrderDeps,
  accountId: string,
  wanted: WantedGeneration,
): Promise<CreatedGeneration> {
  const first = await quote(deps, accountId, wanted);
  try {
    return await create(deps, accountId, { wanted, quoted: first });
  } catch (error) {
    if (!(await mayPassNow(deps, accountId, { wanted, error }))) throw error;
    await deps.entitlements.forget(accountId);
    const second = await quote(deps, accountId, wanted);
    if (JSON.stringify(second) === JSON.stringify(first)) throw error;
    return await create(deps, accountId, { wanted, quoted: second });
  }
}

async function quote(
  deps: OrderDeps,
  accountId: string,
  wanted: WantedGeneration,
): Promise<Quoted> {
  const { db, entitlements } = deps;
  try {
    const priced = await quoteTerms(deps, wanted);
    const findUnitCost = async () =>
      priced ? priced.terms.unit : (await findStyle(db, wanted.style))?.cost;
    const asked = { ...toAsked(wanted), findUnitCost };
    return { ...(await entitlements.quoteGeneration(accountId, asked)), priced };
  } catch (error) {
    const code = codeOf(error);
    const isRefusal = code === "quota_exceeded" || code === "validation_failed";
    if (isRefusal) return { refusal: error as DomainError };
    throw error;
  }
}

async function create(
  { db, entitlements }: OrderDeps,
  accountId: string,
  { wanted, quoted }: { wanted: WantedGeneration; quoted: Quoted },
): Promise<CreatedGeneration> {
  if ("refusal" in quoted) {
    // Who repeats what was accepted under another plan or price is answered as then.
    if (await isKeyUsed(db, accountId, wanted.key)) return createGeneration(db, accountId, wanted);
    throw quoted.refusal;
  }
  const { usage, priced } = quoted;
  const unitCost = quoted.unitCost ?? priced?.terms.unit;
  const made = await createGeneration(db, accountId, {
    ...wanted,
    ...(unitCost !== undefined && { unitCost }),
    ...(usage && { usage }),
    ...(priced && {
      terms: unitCost === 0 ? toFree(priced.terms) : priced.terms,
      styleVersion: priced.styleVersion,
    }),
  });
  if (takesQuota(quoted) && !made.replayed) entitlements.drop(accountId);
  return made;
}

/** Whether another quote could make a difference to a refusal. */
async function mayPassNow(
  { entitlements }: OrderDeps,
  accountId: string,
  { wanted, error }: { wanted: WantedGeneration; error: unknown },
): Promise<boolean> {
  const code = codeOf(error);
  if (code === "quota_exceeded") return true;
  if (code !== "insufficient_credits") return false;
  return await entitlements.mayBeFree(accountId, toAsked(wanted));
}

const isOldPrice = (error: unknown): boolean =>
  error instanceof DomainError &&
  error.code === "invalid_state" &&
  error.detail.extra?.what === "style_version";

const toAsked = ({ style, labels, areas, subject }: WantedGeneration) => ({
  style,
  items: labels.length,
  areas,
  subject,
});

const codeOf = (error: unknown) => (error instanceof DomainError ? error.code : undefined);
