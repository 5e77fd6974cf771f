import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

/** At most `limit` in `windowSeconds` from the first one on. The key names no person in clear. */
export type Limit = { key: string; limit: number; windowSeconds: number; amount?: number };

/** Which limit said no, and in how many seconds it may be asked again. */
export type Refused = { key: string; retryAfterSeconds: number };

/** Takes from all of these limits (20 at most) or, when one refuses, from none. */
export async function takeLimits(db: Db, limits: readonly Limit[]): Promise<Refused | undefined> {
  const [row] = await ask(db<{ refused: { key: string; retry_after_s: number } | null }[]>`
    SELECT ducat.take_limits(${JSON.stringify(toLimitRows(limits))}::text::jsonb) AS refused`);
  const refused = row?.refused;
  return refused ? { key: refused.key, retryAfterSeconds: refused.retry_after_s } : undefined;
}

/** The limits as take_limits reads them. */
export const toLimitRows = (limits: readonly Limit[]) =>
  limits.map(({ key, limit, windowSeconds, amount = 1 }) => ({
    ...{ key, limit, window_s: windowSeconds, amount },
  }));

/** Whether there is any product whose buyers may make only so many requests. */
export async function hasRateLimits(db: Db): Promise<boolean> {
  const [row] = await ask(db<{ found: boolean }[]>`
    SELECT EXISTS (SELECT FROM ducat.products WHERE rate_limits <> '{}') AS found`);
  return row?.found ?? false;
}

/** A window that is open: how much of it is used, and in how many milliseconds it ends. */
export type Window = { key: string; used: number; resetsMs: number };

/**
 * Takes from all of these limits (20 at most) or from none, as takeLimits, and tells how they
 * stand. For requests: a crash of the database may forget the last of it.
 */
export async function takeWindows(
  db: Db,
  limits: readonly Limit[],
): Promise<{ taken: boolean; windows: Window[] }> {
  type Found = { taken: boolean; windows: { key: string; used: number; resets_ms: number }[] };
  const [row] = await ask(db<{ found: Found }[]>`
    SELECT ducat.take_windows(${JSON.stringify(toLimitRows(limits))}::text::jsonb) AS found`);
  if (!row) throw new Error("take_windows returned nothing");
  const { taken, windows } = row.found;
  return {
    taken,
    windows: windows.map(({ key, used, resets_ms }) => ({ key, used, resetsMs: resets_ms })),
  };
}
