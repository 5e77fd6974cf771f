import type { ModelCost } from "../model-settings.ts";
import type { Task, Usage } from "./generator.ts";

const mostTokens = 10_000_000;
/** $100: no item costs that. */
const mostMicros = 100_000_000;
/** Beyond so many times our own table, a provider's word on its cost is a fault. */
const mostTimes = 1_000;
const defaultOutputTokens = 4_096;
const photoTokens = 4_096;
const mostSeconds = 120;

type Costed = Pick<Task, "style" | "input" | "params">;

/**
 * The most that an item can cost us by our table, in micros. Tokens of the input are reckoned at
 * two letters each, more than any tokenizer needs for a text of size; those of the answer are the
 * style's `max_output_tokens`, and no model runs longer than two minutes.
 */
export function reckonMost(cost: ModelCost, { style, input, params }: Costed): number {
  if (cost.most_micros !== undefined) return cost.most_micros;
  const given = input.type === "photo" ? {} : input;
  const letters = style.prompt.length + JSON.stringify([given, params, style.params]).length;
  const inputTokens = Math.ceil(letters / 2) + (input.type === "photo" ? photoTokens : 0);
  const limit = style.params.max_output_tokens;
  const outputTokens = isCount(limit) ? limit : defaultOutputTokens;
  const run = (cost.second_micros ?? 0) * mostSeconds;
  return run + (reckonCost(cost, { inputTokens, outputTokens }, style.kind) ?? 0);
}

/** What an item cost by our table and its tokens; undefined when the table can't say. */
export function reckonCost(
  cost: ModelCost,
  { inputTokens, outputTokens }: Usage,
  kind: "image" | "text",
): number | undefined {
  const { input_micros_per_1k: input, output_micros_per_1k: output, image_micros } = cost;
  const image = kind === "image" ? image_micros : undefined;
  const tokens = [
    input === undefined || inputTokens === undefined ? undefined : input * inputTokens,
    output === undefined || outputTokens === undefined ? undefined : output * outputTokens,
  ].filter((one) => one !== undefined);
  if (image === undefined && tokens.length === 0) return undefined;
  const perThousand = tokens.reduce((sum, one) => sum + one, 0);
  return Math.ceil(perThousand / 1_000) + (image ?? 0);
}

/**
 * What of a provider's word is credible: counts of tokens, and a cost that is no less than nothing
 * and not absurd. `ignored` names the rest. Without a word on the cost our own table decides.
 */
export function checkUsage(
  usage: Usage,
  { cost, kind, most }: { cost?: ModelCost | undefined; kind: "image" | "text"; most: number },
): { usage: Usage; ignored: string[] } {
  const ignored: string[] = [];
  const checked: Usage = usage.cached === true ? { cached: true } : {};
  for (const name of ["inputTokens", "outputTokens"] as const) {
    const count: unknown = usage[name];
    if (count === undefined) continue;
    if (isCount(count)) checked[name] = count;
    else ignored.push(name);
  }
  const said: unknown = usage.providerCostMicros;
  if (isCredible(said, most)) checked.providerCostMicros = Math.ceil(said);
  else if (said !== undefined) ignored.push("providerCostMicros");
  if (checked.providerCostMicros === undefined && cost) {
    const reckoned = reckonCost(cost, checked, kind);
    if (reckoned !== undefined) checked.providerCostMicros = Math.min(reckoned, mostMicros);
  }
  return { usage: checked, ignored };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= mostTokens;
}

function isCredible(said: unknown, most: number): said is number {
  if (typeof said !== "number" || !Number.isFinite(said) || said < 0) return false;
  return said <= mostMicros && (most === 0 || said <= most * mostTimes);
}
