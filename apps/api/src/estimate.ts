import type { Db } from "@ducat/db/connect";
import { findBalance } from "@ducat/db/credits";
import { findStyle } from "@ducat/db/styles";
import { DomainError } from "@ducat/types/errors";
import type { CreateGeneration, Estimate } from "@ducat/types/generations";
import { describeCharge } from "./show-generation.ts";

/**
 * What this generation would cost now: subject-bound credits go first, then trial, then the rest.
 * Takes nothing. Errors: not_found (account or style).
 */
export async function estimateGeneration(
  db: Db,
  accountId: string,
  { style: id, areas, subject }: Pick<CreateGeneration, "style" | "areas" | "subject">,
): Promise<Estimate> {
  const [style, balance] = await Promise.all([findStyle(db, id), findBalance(db, accountId)]);
  if (!style) throw new DomainError("not_found", { extra: { what: "style" } });
  if (!balance) throw new DomainError("not_found", { extra: { what: "account" } });
  const items = areas?.length ?? 1;
  const cost = style.cost * items;
  const bound = balance.bound
    .filter((grant) => grant.subject === subject)
    .reduce((sum, { remaining }) => sum + remaining, 0);
  const trial = Math.min(Math.max(cost - bound, 0), balance.trial_credits);
  const available = balance.available + bound;
  return {
    style: { id: style.id, version: style.version },
    items,
    cost,
    ...describeCharge(cost, trial),
    available,
    sufficient: available >= cost,
  };
}
