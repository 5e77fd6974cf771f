import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";
import type { Outcome } from "./outcome.ts";
import type { Mode, ProviderName } from "./payments.ts";
import { withAccount } from "./with-account.ts";

export type ProviderCustomer = {
  customer_ref: string;
  /** The saved card that may be charged while the customer is away. */
  method_ref: string | null;
};

/** Who the account is at a provider; undefined before its first checkout there. */
export async function findCustomer(
  db: Db,
  accountId: string,
  at: { provider: ProviderName; mode: Mode },
): Promise<ProviderCustomer | undefined> {
  const [row] = await withAccount(
    db,
    accountId,
    (sql) => sql<ProviderCustomer[]>`
      SELECT customer_ref, method_ref FROM ducat.provider_customers
      WHERE account_id = ${accountId} AND provider = ${at.provider} AND mode = ${at.mode}
        AND removed_at IS NULL`,
  );
  return row;
}

type Told = { provider: ProviderName; mode: Mode; occurredAt: Date };
type MethodFact = Told & { methodRef: string; customerRef?: string | undefined };

/** Keeps the card that a customer saved; of two, the one that was told of later. */
export function saveMethod(db: Db, fact: MethodFact): Promise<Outcome> {
  return outcomeOf(db<{ outcome: Outcome }[]>`
    SELECT ducat.save_method(${fact.provider}, ${fact.mode}, ${fact.customerRef ?? null},
      ${fact.methodRef}, ${fact.occurredAt}) AS outcome`);
}

/** Forgets a card that is gone, and switches off the auto-reloads that would have charged it. */
export function removeMethod(db: Db, fact: MethodFact): Promise<Outcome> {
  return outcomeOf(db<{ outcome: Outcome }[]>`
    SELECT ducat.remove_method(${fact.provider}, ${fact.mode}, ${fact.customerRef ?? null},
      ${fact.methodRef}, ${fact.occurredAt}) AS outcome`);
}

/** Forgets a customer that the provider has deleted; otherwise as removeMethod. */
export function removeCustomer(
  db: Db,
  fact: Told & { customerRef?: string | undefined },
): Promise<Outcome> {
  return outcomeOf(db<{ outcome: Outcome }[]>`
    SELECT ducat.remove_customer(${fact.provider}, ${fact.mode},
      ${fact.customerRef ?? null}) AS outcome`);
}

async function outcomeOf(query: PromiseLike<{ outcome: Outcome }[]>): Promise<Outcome> {
  const [row] = await ask(query);
  if (!row) throw new Error("the function returned no row");
  return row.outcome;
}
