import type { IncomingHttpHeaders } from "node:http";

const longestMs = 3_600_000;

/**
 * For how long a server wants to be left alone, in milliseconds and at most an hour: Retry-After
 * in seconds or as a date (RFC 9110, 10.2.3), or retry-after-ms, which OpenAI and Azure send too.
 */
export function readRetryAfter(headers: IncomingHttpHeaders): number | undefined {
  const exact = Number(headers["retry-after-ms"] ?? Number.NaN);
  if (exact >= 0) return Math.min(Math.ceil(exact), longestMs);
  const text = headers["retry-after"]?.trim();
  if (!text) return undefined;
  const isDate = /^[A-Z][a-z]{2}/.test(text);
  const ms = isDate ? Date.parse(text) - Date.now() : Number(text) * 1_000;
  if (Number.isNaN(ms) || (!isDate && ms < 0)) return undefined;
  return Math.min(Math.max(Math.ceil(ms), 0), longestMs);
}
