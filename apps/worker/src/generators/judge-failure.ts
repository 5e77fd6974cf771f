import type { Seen } from "./exchange.ts";
import type { Outcome } from "./generator.ts";
import { failWith } from "./provider-failures.ts";
import { readUsage } from "./read-usage.ts";

const defaultAskAgainMs = 5_000;
/** How often an item is claimed while its provider doesn't answer, where asking again is safe. */
const mostClaims = 4;
/** Keys, payment and rights of ours, a model that is gone: another provider may do it. */
const ours = new Set([401, 403, 404, 407, 410]);

type Case = {
  /** The provider gives its first answer to a repeated key. */
  isIdempotent: boolean;
  attempt: number;
  askAgainMs?: number;
};

/**
 * What became of a request that gave no output, by what was seen of it. Only what was certainly
 * not done is tried again; what may have been done is `unknown` where the provider can be asked
 * under the same key, else outcome_unknown, and never sent there again.
 */
export function judgeFailure(seen: Seen, item: Case): Outcome {
  const { facts, status } = seen;
  if (!seen.isSent) return failWith("provider_failed", { retryable: true });
  if (facts.isModerated) return { ...failWith("moderation_refused"), ...usageOf(seen) };
  if (status === undefined) return unknown(seen, item);
  if (status < 200 || (status >= 300 && status < 400)) return failWith("provider_failed");
  // 408 and 409 come from servers that have begun; 499 from a proxy in between.
  if (status === 408 || status === 409 || status === 499) return unknown(seen, item);
  if (status >= 400 && status < 500) return judgeRefusal(seen, status);
  const isPutOff = status === 503 && seen.retryInMs !== undefined;
  if (isPutOff) return failWith("provider_failed", { retryable: true, ...pauseOf(seen) });
  if (status >= 500) return unknown(seen, item);
  // It says itself that it failed, but not whether that was free.
  if (facts.error) {
    const code = facts.error.code === "429" ? "provider_limit" : "provider_failed";
    return { ...failWith(code), ...usageOf(seen) };
  }
  if (!seen.isWhole) return unknown(seen, item);
  return { ...failWith("bad_output"), ...usageOf(seen) };
}

function judgeRefusal(seen: Seen, status: number): Outcome {
  if (status === 429 || status === 402) {
    return failWith("provider_limit", { retryable: true, ...pauseOf(seen) });
  }
  return failWith(ours.has(status) ? "provider_failed" : "provider_refused");
}

function unknown(seen: Seen, { isIdempotent, attempt, askAgainMs }: Case): Outcome {
  if (!isIdempotent || attempt >= mostClaims) return failWith("outcome_unknown");
  return {
    status: "unknown",
    askAgainInMs: seen.retryInMs ?? askAgainMs ?? defaultAskAgainMs,
    away: true,
  };
}

function pauseOf({ retryInMs }: Seen) {
  return retryInMs === undefined ? {} : { retryInMs };
}

/** Work that failed may have been paid for all the same. */
function usageOf({ facts }: Seen) {
  const usage = readUsage(facts);
  return Object.keys(usage).length > 0 ? { usage } : {};
}
