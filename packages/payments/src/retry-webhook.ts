import { describeError } from "./describe-error.ts";
import { isAway, isFinal } from "./is-final.ts";

const firstSeconds = 5;
const longestSeconds = 3_600;
/** An event that we can't place is soon tried again: its order is mostly on its way. */
const longestUnknownSeconds = 120;
/** For how long an event that we can't place is tried before a person has to look. */
export const unknownForSeconds = 15 * 60;
/** About 2.3 hours, for faults of ours. */
const mostTries = 12;
/** About three days of 5 s to an hour each, for a provider or database that is away. */
const mostTriesAway = 82;
/** An event whose worker died that often kills workers; no outage comes to as many tries. */
export const mostClaims = 100;

export type Verdict =
  | { status: "dead"; error: string }
  | { status: "received"; error: string; delaySeconds: number };

/** Seconds until the next try: 5, 10, 20 … an hour, a quarter more or less. */
export function retryDelaySeconds(
  tries: number,
  limit = longestSeconds,
  random: () => number = Math.random,
): number {
  const delay = firstSeconds * 2 ** Math.min(Math.max(tries - 1, 0), 20);
  return Math.min(delay * (0.75 + random() / 2), limit);
}

/** What becomes of an event that could not be processed: refusals are final, the rest is not. */
export function judgeFailure(error: unknown, tries: number): Verdict {
  const most = isAway(error) ? mostTriesAway : mostTries;
  const text = describeError(error);
  if (isFinal(error) || tries >= most) return { status: "dead", error: text };
  return { status: "received", error: text, delaySeconds: retryDelaySeconds(tries) };
}

/** What becomes of an event that we can't place, known as such for so many seconds. */
export function judgeUnknown(
  about: string,
  { tries, unknownSeconds }: { tries: number; unknownSeconds: number },
):
  | { status: "ignored"; error: string; waitsFor: string }
  | { status: "received"; error: string; waitsFor: string; delaySeconds: number } {
  const end = { error: "unknown_order: This is in none of our books.", waitsFor: about };
  if (unknownSeconds >= unknownForSeconds) return { status: "ignored", ...end };
  const delaySeconds = retryDelaySeconds(tries, longestUnknownSeconds);
  return { status: "received", ...end, delaySeconds };
}
