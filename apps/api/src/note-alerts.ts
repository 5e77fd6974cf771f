import { type AlertKind, getAlerts, raiseAlerts } from "@ducat/db/alerts";
import type { Deps } from "./deps.ts";

type AlertDeps = Pick<Deps, "db" | "cache" | "log">;

const settingsLifeMs = 5 * 60_000;

/**
 * Has an account told when what it has just spent left it under its threshold. After the commit,
 * and nobody waits for it: what is lost here the workers' round finds.
 */
export function noteBalance(deps: AlertDeps, accountId: string, available: number): void {
  raise(deps, { accountId, kind: "balance" }, async () => {
    const threshold = await readThreshold(deps, accountId);
    return threshold !== null && available < threshold;
  });
}

/** The same where a quota has come to 80 or to 100 % by what was just taken of it. */
export function noteUsage(
  deps: AlertDeps,
  accountId: string,
  { used, limit, amount }: { used: number; limit: number | null; amount: number },
): void {
  raise(deps, { accountId, kind: "quota" }, async () => {
    if (limit === null) return false;
    const isNear = used * 5 >= limit * 4 && (used - amount) * 5 < limit * 4;
    return used >= limit || isNear;
  });
}

/** Null for nearly everybody, and then it costs no query. */
function readThreshold({ db, cache }: AlertDeps, accountId: string): Promise<number | null> {
  const tag = `alerts:${accountId}`;
  const load = async () => (await getAlerts(db, accountId)).low_balance;
  return cache.getOrSet(tag, { ttlMs: settingsLifeMs, tags: [tag], load });
}

function raise(
  { db, log }: AlertDeps,
  { accountId, kind }: { accountId: string; kind: AlertKind },
  isDue: () => Promise<boolean>,
): void {
  const look = async () => {
    if (await isDue()) await raiseAlerts(db, accountId, [kind]);
  };
  look().catch((err: unknown) => log.warn({ err }, "an alert waits for the workers' round"));
}
