import type { Failure } from "./generator.ts";

/** The public words of each way in which a provider fails; nothing of its answer is in them. */
const words = {
  moderation_refused: "The model's provider refused this under its rules for content.",
  provider_refused: "The model's provider does not accept this input.",
  provider_limit: "The model's provider takes no more work at the moment.",
  provider_failed: "The model's provider could not do it.",
  outcome_unknown: "The model's provider did not say whether it was done.",
  bad_output: "The model's answer was not usable.",
} as const;

type ProviderFailure = keyof typeof words;

/** Whether another model may be asked: what is wrong with the input is wrong everywhere. */
const failsOver: Record<ProviderFailure, boolean> = {
  moderation_refused: false,
  provider_refused: false,
  provider_limit: true,
  provider_failed: true,
  outcome_unknown: true,
  bad_output: true,
};

/** A failure with its public words: final, unless `more` says otherwise. */
export function failWith(code: ProviderFailure, more: Partial<Failure> = {}): Failure {
  const failover = failsOver[code];
  return { status: "failed", code, message: words[code], retryable: false, failover, ...more };
}
