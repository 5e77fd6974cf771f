import type { AdminUsageLine, UsageSummaryLine } from "@ducat/types/usage-summaries";
import type { Columns } from "./stream-csv.ts";

// As in columns.ts: new ones at the end.

export const usageColumns: Columns<UsageSummaryLine> = {
  day: (line) => line.day,
  style: (line) => line.style,
  model: (line) => line.model,
  feature: (line) => line.feature,
  language: (line) => line.language,
  category: (line) => line.category,
  completed: (line) => line.items.completed,
  failed: (line) => line.items.failed,
  canceled: (line) => line.items.canceled,
  in_batches: (line) => line.items.in_batches,
  failure_rate: (line) => line.failure_rate,
  amount: (line) => line.amount,
  charged: (line) => line.credits.charged,
  paid_back: (line) => line.credits.paid_back,
  consumed: (line) => line.credits.consumed,
  input_tokens: (line) => line.tokens.input,
  output_tokens: (line) => line.tokens.output,
  response_ms_average: (line) => line.response_ms.average,
  response_ms_p50: (line) => line.response_ms.p50,
  response_ms_p95: (line) => line.response_ms.p95,
  response_ms_max: (line) => line.response_ms.max,
};

export const adminUsageColumns: Columns<AdminUsageLine> = {
  account_id: (line) => line.account_id,
  ...usageColumns,
  revenue: (line) =>
    line.revenue?.map(({ amount, currency }) => `${currency} ${amount}`).join("; "),
  costed_items: (line) => line.provider_cost.items,
  provider_cost_micros: (line) => line.provider_cost.amount_micros,
  margin_micros: (line) => line.margin_micros,
};
