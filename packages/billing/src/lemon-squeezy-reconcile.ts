import { z } from "zod";
import type { ProviderFact } from "./facts.ts";
import type { LemonSqueezyClient, Resource } from "./lemon-squeezy-client.ts";
import { about, anomaly, readResource, type Seen } from "./lemon-squeezy-facts.ts";
import type { Reference } from "./lemon-squeezy-reference.ts";
import type { CallOptions, OpenOrder } from "./provider.ts";

type Input = { since: Date; open: readonly OpenOrder[] };

/** A webhook may still come for orders younger than this: they are not called unknown yet. */
const youngMs = 5 * 60 * 1000;

/**
 * Subscriptions, orders and invoices that were made since the date. The API's replies carry no
 * custom data (github.com/pay-rails/pay/issues/1041), so an order that no webhook told us of is
 * matched to an open order of ours. Refunds of older orders need an older date.
 */
export async function* reconcile(
  client: LemonSqueezyClient,
  settings: { mode: Seen["mode"]; storeId: string; now: number },
  { since, open, call }: Input & { call?: CallOptions | undefined },
): AsyncGenerator<ProviderFact> {
  const filter = { store_id: settings.storeId };
  // The first order of a subscription looks like any other and is paid by its invoice.
  const ofSubscriptions = new Set<string>();
  for (const path of ["/subscriptions", "/orders", "/subscription-invoices"]) {
    for await (const resource of client.list(path, filter, call)) {
      const made = readMade(resource);
      // The lists are ordered by created_at, the newest first (the official SDK's comments).
      if (made.at < since) break;
      if (resource.type === "subscriptions") ofSubscriptions.add(made.order);
      if (resource.type === "orders" && ofSubscriptions.has(resource.id)) continue;
      const facts = readListed(resource, { ...settings, reference: findReference(made, open) });
      const isYoung = settings.now - made.at.getTime() < youngMs;
      yield* facts.filter((fact) => !isYoung || !isUnknown(fact));
    }
  }
}

const isUnknown = (fact: ProviderFact) =>
  fact.kind === "anomaly" && fact.detail === "unknown_order";

const Made = z.looseObject({
  created_at: z.string(),
  user_email: z.string().nullish(),
  variant_id: z.union([z.number(), z.string()]).nullish(),
  order_id: z.union([z.number(), z.string()]).nullish(),
  first_order_item: z
    .looseObject({ variant_id: z.union([z.number(), z.string()]).nullish() })
    .nullish(),
});
type Bought = {
  at: Date;
  kind: OpenOrder["kind"] | undefined;
  email: string;
  variant: string;
  order: string;
};

function readMade({ type, attributes }: Resource): Bought {
  const parsed = Made.safeParse(attributes);
  const { created_at = 0, user_email, variant_id, first_order_item } = parsed.data ?? {};
  const order = String(parsed.data?.order_id ?? "");
  const kind = { orders: "pack", subscriptions: "subscription" }[type] as Bought["kind"];
  return {
    // What has no date is read, and then found unreadable.
    at: parsed.success ? new Date(created_at) : new Date(8.64e15),
    kind,
    email: (user_email ?? "").toLowerCase(),
    variant: String(variant_id ?? first_order_item?.variant_id ?? ""),
    order,
  };
}

/**
 * Our open order that somebody paid: same e-mail address, same variant, made before. Of several
 * of one account the youngest; of several accounts none, because that would be a guess.
 */
function findReference(bought: Bought, open: readonly OpenOrder[]): Reference | undefined {
  const fitting = open.filter(
    (order) =>
      bought.email !== "" &&
      order.email?.toLowerCase() === bought.email &&
      order.priceRef === bought.variant &&
      order.kind === bought.kind &&
      order.createdAt <= bought.at,
  );
  const accounts = new Set(fitting.map(({ accountRef }) => accountRef));
  if (accounts.size !== 1) return undefined;
  const youngest = fitting.reduce((one, next) => (next.createdAt > one.createdAt ? next : one));
  const { orderRef, kind, sent } = youngest;
  return { orderRef, kind, price: sent, variant: bought.variant };
}

/**
 * Without custom data an order that fits none of ours, or not at its price, is not wrong: we just
 * don't know whose it is. Most of them were credited when their webhook came.
 */
function readListed(resource: Resource, seen: Seen): ProviderFact[] {
  return readResource(resource, seen).map((fact) => {
    if (fact.kind !== "anomaly" || !unplaced.includes(fact.detail)) return fact;
    const effect = { ...about(seen, fact.about), occurredAt: fact.occurredAt };
    return anomaly(effect, "unknown_order", fact.about);
  });
}

const unplaced: readonly string[] = [
  "foreign_session",
  "variant_mismatch",
  "amount_mismatch",
  "currency_mismatch",
];
