import { findExponent } from "@ducat/billing/money";
import { readPercentile } from "@ducat/db/response-times";
import type { RevenueLine, UsageLine, UsageSums } from "@ducat/db/usage-summaries";
import type { AdminUsageTotal, UsageTotal } from "@ducat/types/usage-summaries";

/** Sums as the API tells them; of nothing at all, zeros. */
export function showSums(sums: UsageSums = nothing): UsageTotal {
  const { completed, failed, canceled, response_count, response_ms } = sums;
  const { response_buckets: buckets, response_ms_max: max } = sums;
  return {
    items: { completed, failed, canceled, in_batches: sums.batch_items },
    failure_rate: toRate(failed, completed + failed),
    amount: sums.amount,
    credits: { charged: sums.charged, paid_back: sums.paid_back, consumed: sums.consumed },
    tokens: { input: sums.input_tokens, output: sums.output_tokens },
    response_ms: {
      average: response_count === 0 ? null : Math.round(response_ms / response_count),
      p50: readPercentile(buckets, max, 0.5),
      p95: readPercentile(buckets, max, 0.95),
      max: response_count === 0 ? null : max,
    },
  };
}

/** A part of a whole with four decimals; null of nothing. */
export const toRate = (part: number, whole: number): number | null =>
  whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;

/** What a line is about, of what was asked for. */
export function showKey({ day, style, model, feature, language, category }: UsageLine) {
  const named = Object.entries({ day, style, model, feature, language, category });
  return Object.fromEntries(named.filter(([, value]) => value !== null)) as Record<string, string>;
}

/** Revenue and cost of a line; revenue undefined where none can be told. */
export function showMoney(
  sums: UsageSums = nothing,
  revenue: RevenueLine[] | undefined,
): Pick<AdminUsageTotal, "revenue" | "provider_cost" | "margin_micros"> {
  const cost = sums.provider_cost_micros;
  return {
    revenue:
      revenue?.map(({ currency, amount_micros }) => ({
        amount: Number(amount_micros / 1_000_000n),
        currency,
      })) ?? null,
    provider_cost: { items: sums.costed, amount_micros: cost },
    margin_micros: revenue ? readMargin(revenue, cost) : null,
  };
}

/** In millionths of a dollar, rounded down; null where not all of the revenue is in dollars. */
function readMargin(revenue: RevenueLine[], costMicros: number): number | null {
  if (revenue.some(({ currency }) => currency !== "USD")) return null;
  const cents = 10n ** BigInt(findExponent("USD") ?? 0);
  const micros = revenue.reduce((sum, { amount_micros }) => sum + amount_micros, 0n);
  return Number(micros / cents) - costMicros;
}

const nothing: UsageSums = {
  ...{ completed: 0, failed: 0, canceled: 0, batch_items: 0, amount: 0 },
  ...{ charged: 0, paid_back: 0, consumed: 0, input_tokens: 0, output_tokens: 0 },
  ...{ response_count: 0, response_ms: 0, response_ms_max: 0, response_buckets: [] },
  ...{ costed: 0, provider_cost_micros: 0 },
};
