import type { Failure } from "./generator.ts";

/** What an item is told whose provider was not asked; another model may be, or this one later. */
export const turnedAway = {
  limit: (retryInMs: number): Failure => ({
    status: "failed",
    code: "provider_limit",
    message: "The model takes no more work for a while.",
    retryable: true,
    failover: true,
    retryInMs,
  }),
  away: (retryInMs: number): Failure => ({
    status: "failed",
    code: "provider_unavailable",
    message: "The model can't be reached.",
    retryable: true,
    failover: true,
    retryInMs,
  }),
  spent: (): Failure => ({
    status: "failed",
    code: "spend_cap",
    message: "What may be spent on this model today is spent.",
    retryable: false,
    failover: true,
  }),
};
