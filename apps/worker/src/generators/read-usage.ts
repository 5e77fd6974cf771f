import type { Facts } from "./facts.ts";
import type { Usage } from "./generator.ts";

const microsPerUsd = 1_000_000;

/** What a provider says that the work took, sense or not: the router judges it (check-usage.ts). */
export function readUsage({ tokens = {}, costUsd }: Facts): Usage {
  const usage: Usage = {};
  if (typeof tokens.input === "number") usage.inputTokens = tokens.input;
  if (typeof tokens.output === "number") usage.outputTokens = tokens.output;
  if (typeof costUsd === "number") usage.providerCostMicros = costUsd * microsPerUsd;
  return usage;
}
