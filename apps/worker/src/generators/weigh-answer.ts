import type { Log } from "../log.ts";
import type { ModelCost } from "../model-settings.ts";
import { checkUsage } from "./check-usage.ts";
import type { Outcome, Task } from "./generator.ts";

/** The provider's own fault, or a sign that it wants to be left alone. */
const faults = new Set([
  "provider_failed",
  "provider_limit",
  "provider_unavailable",
  "outcome_unknown",
]);

/** Whether the next item would fare the same at this provider. */
export function isFault(outcome: Outcome): boolean {
  if (outcome.status === "unknown") return outcome.away === true;
  return outcome.status === "failed" && outcome.failover === true && faults.has(outcome.code);
}

/** The model that a style names; an empty text when it names none. */
export const modelOf = ({ style }: Task) =>
  typeof style.params.model === "string" ? style.params.model : "";

type Known = { log: Log; name: string; task: Task; cost: ModelCost | undefined; most: number };

/** The outcome with what is credible of the provider's word on use and cost, and whose it was. */
export function keepCredible({ log, name, task, cost, most }: Known, outcome: Outcome): Outcome {
  if (outcome.status === "unknown") return outcome;
  const isDone = outcome.status === "completed";
  if (!isDone && !outcome.usage) return outcome;
  const said = outcome.usage ?? {};
  // A picture that was not made has no price of its own, only what was said of it.
  const kind = isDone ? task.style.kind : "text";
  const { usage, ignored } = checkUsage(said, { cost, kind, most });
  if (ignored.length > 0) {
    log.error({ provider: name, model: modelOf(task), ignored }, "a provider's word was absurd");
  }
  return { ...outcome, usage: { ...usage, provider: name, model: modelOf(task) } };
}

/** Micros. What is to be counted as spent; what nobody knows counts as the most it can be. */
export function spentOf(outcome: Outcome, most: number): number {
  if (outcome.status === "unknown") return most;
  const { usage } = outcome;
  if (usage?.cached) return 0;
  if (usage?.providerCostMicros !== undefined) return usage.providerCostMicros;
  if (outcome.status === "completed") return most;
  return outcome.code === "outcome_unknown" ? most : 0;
}
