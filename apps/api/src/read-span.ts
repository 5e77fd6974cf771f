import { refuseAt } from "./problem.ts";

const dayMs = 86_400_000;
const mostDays = 400;
const usualDays = 30;

/**
 * The days (UTC, both included) that a query asks for: the last thirty where it names none.
 * Errors: validation_failed (backwards, or over 400 days).
 */
export function readSpan(
  asked: { from?: string | undefined; to?: string | undefined },
  now: number,
): { from: string; to: string } {
  const to = asked.to ?? toDay(now);
  const from = asked.from ?? toDay(Date.parse(to) - (usualDays - 1) * dayMs);
  const days = (Date.parse(to) - Date.parse(from)) / dayMs + 1;
  if (days < 1) throw refuseAt("#/query/from", "This is after `to`.");
  if (days > mostDays) throw refuseAt("#/query/from", `At most ${mostDays} days.`);
  return { from, to };
}

const toDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);
