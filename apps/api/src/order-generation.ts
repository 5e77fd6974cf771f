import type { NewGeneration } from "@ducat/db/generations";
import { type CreatedGeneration, createGeneration, isKeyUsed } from "@ducat/db/generations";
import { findStyle } from "@ducat/db/styles";
import { type Quote, takesQuota } from "@ducat/entitlements/quote-generation";
import { DomainError } from "@ducat/types/errors";
import type { Deps } from "./deps.ts";

type OrderDeps = Pick<Deps, "db" | "entitlements">;
/** `areas`: how many items the request calls so; left out: it has items of another kind. */
export type WantedGeneration = NewGeneration & { areas?: number | undefined };
type Quoted = Quote | { refusal: DomainError };

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
  { db, entitlements }: OrderDeps,
  accountId: string,
  wanted: WantedGeneration,
): Promise<Quoted> {
  const findUnitCost = async () => (await findStyle(db, wanted.style))?.cost;
  try {
    return await entitlements.quoteGeneration(accountId, { ...toAsked(wanted), findUnitCost });
  } catch (error) {
    if (codeOf(error) === "quota_exceeded") return { refusal: error as DomainError };
    throw error;
  }
}

async function create(
  { db, entitlements }: OrderDeps,
  accountId: string,
  { wanted, quoted }: { wanted: WantedGeneration; quoted: Quoted },
): Promise<CreatedGeneration> {
  if ("refusal" in quoted) {
    // Who repeats what was accepted under another plan is answered as then.
    if (await isKeyUsed(db, accountId, wanted.key)) return createGeneration(db, accountId, wanted);
    throw quoted.refusal;
  }
  const { unitCost, usage } = quoted;
  const made = await createGeneration(db, accountId, {
    ...wanted,
    ...(unitCost !== undefined && { unitCost }),
    ...(usage && { usage }),
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

const toAsked = ({ style, labels, areas, subject }: WantedGeneration) => ({
  style,
  items: labels.length,
  areas,
  subject,
});

const codeOf = (error: unknown) => (error instanceof DomainError ? error.code : undefined);
