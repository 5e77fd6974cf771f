import type { StripeChange } from "../../packages/billing/src/stripe-catalog.ts";
import type { CatalogChange } from "../../packages/db/src/catalog.ts";
import type { PushReport } from "../../packages/payments/src/push-catalog.ts";

/** What a push did, for a person: one line a change. */
export function describeChanges(report: PushReport): string {
  const { catalog, dry_run, stripe, database } = report;
  const title = `catalog ${catalog}${dry_run ? " (dry run: nothing is written)" : ""}`;
  const lines = [title];
  if (stripe) lines.push(...describeList("Stripe", stripe.map(describeStripe)));
  return [...lines, ...describeList("database", database.map(describeRow))].join("\n");
}

function describeList(place: string, lines: string[]): string[] {
  return lines.length > 0
    ? [`${place}:`, ...lines.map((line) => `  ${line}`)]
    : [`${place}: nothing to change`];
}

function describeStripe({ action, what, product, price, ref }: StripeChange): string {
  const parts = [action, what, product, price && showPrice(price), ref && `(${ref})`];
  return parts.filter(Boolean).join(" ");
}

const showPrice = (price: { currency: string; interval: string; amount: number }) =>
  `${price.currency} ${price.amount} ${price.interval}`;

function describeRow(change: CatalogChange): string {
  if (change.what === "setting") {
    return `${change.action} setting ${change.setting}: ${showChange(change.before, change.after)}`;
  }
  const start = `${change.action} ${change.what} ${change.product}`;
  if (change.what === "price") {
    const { provider, provider_ref } = change.price;
    const whose = [provider, provider_ref].filter(Boolean).join(" ");
    return `${start} ${showPrice(change.price)}${whose && ` (${whose})`}`;
  }
  const { is_active: _, ...after } = change.after ?? {};
  const { is_active: _before, ...before } = change.before ?? {};
  return [start, ...diff("", before, after).map((line) => `    ${line}`)].join("\n  ");
}

/** What differs, each with its path: a member that came is +, one that left is -. */
function diff(path: string, before: unknown, after: unknown): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (before === undefined) return [`+ ${path} ${JSON.stringify(after)}`];
  if (after === undefined) return [`- ${path}`];
  if (!isObject(before) || !isObject(after)) return [`${path} ${showChange(before, after)}`];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    diff(path === "" ? name : `${path}.${name}`, before[name], after[name]),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const showChange = (before: unknown, after: unknown) =>
  `${JSON.stringify(before ?? null)} → ${JSON.stringify(after ?? null)}`;
