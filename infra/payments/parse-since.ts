const unitMs: Record<string, number> = { h: 3_600_000, d: 24 * 3_600_000 };

/**
 * The date that `--since` means: an ISO date or time, or so long ago as in 7d or 24h. Throws an
 * Error that says so for anything else.
 */
export function parseSince(text: string, now: number): Date {
  const [, count = "", unit = ""] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  const ago = unitMs[unit];
  if (ago !== undefined) return new Date(now - Number(count) * ago);
  const isDate = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?$/;
  const date = new Date(isDate.test(text) ? text : Number.NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw new Error(`--since is "${text}"; it is a date as in 2026-11-20, or as in 7d or 24h.`);
}
