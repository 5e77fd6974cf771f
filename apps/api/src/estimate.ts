import { findBalance } from "@ducat/db/credits";
import { findStyle } from "@ducat/db/styles";
import type { AskedGeneration } from "@ducat/entitlements/quote-generation";
import { DomainError } from "@ducat/types/errors";
import type { CreateGeneration, Estimate } from "@ducat/types/generations";
import { readStyleInputs } from "@ducat/types/style-inputs";
import type { Deps } from "./deps.ts";
import { makeTerms, toFree } from "./quote-terms.ts";
import { showReset } from "./show-entitlements.ts";
import { describeCharge } from "./show-generation.ts";

type Wanted = Pick<CreateGeneration, "style" | "areas" | "n" | "subject" | "input" | "params">;

/**
 * What this generation would cost now: nothing where the plan makes it free; else subject-bound
 * credits go first, then trial, then the rest. Takes nothing. Errors: not_found (account or style),
 * validation_failed (a param that the style doesn't take, a value that has no price).
 */
export async function estimateGeneration(
  deps: Pick<Deps, "db" | "entitlements">,
  accountId: string,
  { style: id, areas = [{}], n = 1, subject, input, params = {} }: Wanted,
): Promise<Estimate> {
  const { db } = deps;
  const [style, balance] = await Promise.all([findStyle(db, id), findBalance(db, accountId)]);
  if (!style) throw new DomainError("not_found", { extra: { what: "style" } });
  if (!balance) throw new DomainError("not_found", { extra: { what: "account" } });
  const items = areas.length * n;
  const asked = { style: style.id, items, areas: areas.length, subject };
  const inputs = readStyleInputs(style.inputs);
  const terms = makeTerms({ ...style, inputs }, { input, params, n });
  const { unitCost, quota } = await findTerms(deps, accountId, { ...asked, price: terms.unit });
  const { unit, lines } = unitCost === 0 ? toFree(terms) : terms;
  const cost = unitCost * items;
  const bound = balance.bound
    .filter((grant) => grant.subject === subject)
    .reduce((sum, { remaining }) => sum + remaining, 0);
  const trial = Math.min(Math.max(cost - bound, 0), balance.trial_credits);
  const available = balance.available + bound;
  return {
    style: { id: style.id, version: style.version },
    items,
    cost,
    price: { unit, lines },
    ...describeCharge(cost, trial),
    available,
    quota,
    sufficient: available >= cost && quota === null,
  };
}

type Asked = AskedGeneration & { price: number };

/** The price of an item, and the first quota that has no room for all of them. */
async function findTerms(
  { entitlements }: Pick<Deps, "entitlements">,
  accountId: string,
  { price, ...asked }: Asked,
): Promise<{ unitCost: number; quota: Estimate["quota"] }> {
  const findUnitCost = async () => price;
  const quoting = entitlements.quoteGeneration(accountId, { ...asked, findUnitCost });
  const terms = quoting.catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.code !== "quota_exceeded") throw error;
    return { unitCost: price, usage: [{ feature: String(error.detail.extra?.quota) }] };
  });
  const { unitCost = price, usage } = await terms;
  const taken = (usage ?? []).filter(({ feature }) => !feature.startsWith("_"));
  const { items: amount, subject } = asked;
  const checks = taken.map(({ feature }) =>
    entitlements.check(accountId, { feature, amount, subject }),
  );
  const full = (await Promise.all(checks)).find(({ allowed }) => !allowed);
  if (!full) return { unitCost, quota: null };
  const { allowed: _, ...quota } = full;
  return { unitCost, quota: showReset(quota) };
}
