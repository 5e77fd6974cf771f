import type { ModelCost } from "../model-settings.ts";
import type { Called } from "./call-provider.ts";
import { asList, asObject } from "./facts.ts";
import { judgeAnswer, type State } from "./follow-request.ts";
import type { Usage } from "./generator.ts";
import { failWith } from "./provider-failures.ts";
import { readFraction } from "./read-fraction.ts";
import { readUsage } from "./read-usage.ts";

/** What models of all kinds say when their filter has struck; there is no code for it. */
const moderation = /nsfw|\(E005\)|flagged as sensitive|content policy|safety (?:filter|checker)/i;

export const isModerated = (words: unknown): boolean => moderation.test(String(words));

/** The text of an output, which comes whole or as the pieces of a stream. */
export function toText(output: unknown): string {
  if (typeof output === "string") return output;
  return asList(output)
    .filter((piece) => typeof piece === "string")
    .join("");
}

type Reading = { cost: ModelCost | undefined; isText: boolean };
export type Prediction = { output: unknown; usage: Usage };

/** What Replicate says of a prediction (docs: "Prediction lifecycle"); a Prediction when done. */
export function readPrediction(called: Called, { cost, isText }: Reading): State {
  const { status, output, error, logs, metrics } = asObject(called.json);
  if (called.seen.status !== 200) return judgeAnswer(called);
  const usage = readMetrics(metrics, cost);
  const end = (code: "moderation_refused" | "provider_failed"): State => {
    return { status: "ended", failure: { ...failWith(code), usage } };
  };
  switch (status) {
    case "starting":
    case "processing":
      return { status: "running", ...readProgress(logs), ...(isText && { text: toText(output) }) };
    case "succeeded":
      return { status: "done", result: { output, usage } satisfies Prediction, facts: {} };
    case "failed":
      return end(isModerated(error) ? "moderation_refused" : "provider_failed");
    case "canceled":
    case "aborted":
      return end("provider_failed");
    default:
      return { status: "unsaid", away: true };
  }
}

function readProgress(logs: unknown): { fraction?: number } {
  const fraction = typeof logs === "string" ? readFraction(logs) : undefined;
  return fraction === undefined ? {} : { fraction };
}

/** Replicate bills the time that a model takes. What it says of that is judged where all is. */
function readMetrics(metrics: unknown, cost: ModelCost | undefined): Usage {
  const { predict_time: seconds, input_token_count, output_token_count } = asObject(metrics);
  const usage = readUsage({ tokens: { input: input_token_count, output: output_token_count } });
  if (typeof seconds === "number" && cost?.second_micros !== undefined) {
    usage.providerCostMicros = Math.ceil(seconds * cost.second_micros);
  }
  return usage;
}
