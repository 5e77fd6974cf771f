import type { Entitlements, LimitFeature } from "@ducat/db/entitlements";
import type { UsageTake } from "@ducat/db/generations";
import { DomainError } from "@ducat/types/errors";
import { findFeature, listFeatures } from "./find-feature.ts";

export type AskedGeneration = {
  style: string;
  items: number;
  /** How many of the items the request calls areas: those of other requests are not limited so. */
  areas?: number | undefined;
  subject?: string | undefined;
};

export type Quote = {
  /** What an item costs; undefined: the style's price. */
  unitCost: number | undefined;
  /** What create_generation takes and refuses; null: nothing. */
  usage: UsageTake[] | null;
};

type Named = LimitFeature & { key: string };

/**
 * What a generation takes of the plan's quotas and limits, and whether it is free. Whole: where a
 * free limit has no room for all its items, all are paid, or refused where the limit says so. The
 * counters themselves decide in create_generation: a quote that was made of what is true no longer
 * is refused there. `findUnitCost` is asked only where a limit of credits needs it.
 * Errors: quota_exceeded (one request may not ask for so much).
 */
export async function quoteGeneration(
  entitlements: Entitlements,
  asked: AskedGeneration,
  findUnitCost: () => Promise<number | undefined>,
): Promise<Quote> {
  const limits = listLimits(entitlements, asked.subject);
  const free = chooseFree(limits, asked);
  const gates = limits.filter(
    (limit) => limit.key !== free?.key && isMeant(limit.styles, asked.style),
  );
  const usage: UsageTake[] = [];
  for (const limit of free ? [...gates, free] : gates) {
    if (limit.period === "request") refuseTooMany(entitlements, limit, asked);
    else usage.push(toTake(entitlements, limit));
  }
  const { daily_credits: daily } = entitlements.limits;
  const unitCost = free ? 0 : daily === undefined ? undefined : await findUnitCost();
  usage.push(...listWorkLimits(entitlements, unitCost));
  return { unitCost, usage: usage.length > 0 ? usage : null };
}

/** Whether a generation would be free if a limit of its plan had room. */
export function mayBeFree(entitlements: Entitlements, { style, subject }: AskedGeneration) {
  return listLimits(entitlements, subject).some(({ free_styles }) => isMeant(free_styles, style));
}

/** Whether a quote changes what an account's entitlements show as used. */
export const takesQuota = ({ usage }: Quote): boolean =>
  usage?.some(({ feature }) => !feature.startsWith("_")) ?? false;

function listLimits(entitlements: Entitlements, subject: string | undefined): Named[] {
  return listFeatures(entitlements).flatMap((key) => {
    const found = findFeature(entitlements, key, subject);
    return found?.kind === "limit" ? [{ ...found, key }] : [];
  });
}

const isMeant = (styles: string[] | undefined, style: string) =>
  styles?.some((one) => one === "*" || one === style) ?? false;

/** The first limit that has room; without room one that lets nobody go on by paying. */
function chooseFree(limits: Named[], { style, items }: AskedGeneration): Named | undefined {
  const meant = limits.filter(({ free_styles }) => isMeant(free_styles, style));
  const hasRoom = ({ limit, used }: Named) => limit === null || used + items <= limit;
  return meant.find(hasRoom) ?? meant.find(({ beyond }) => beyond === "refuse");
}

function toTake({ upgrade }: Entitlements, { key, limit, ...feature }: Named): UsageTake {
  const { period_start, resets_at } = feature;
  if (period_start === null) throw new Error(`the limit ${key} has no period`);
  return {
    feature: key,
    amount: 1,
    limit,
    period_start,
    ...(resets_at !== null && { resets_at }),
    ...(upgrade[key] !== undefined && { upgrade: upgrade[key] }),
  };
}

function refuseTooMany(
  { upgrade }: Entitlements,
  { key, limit, of }: Named,
  { items, areas = 0 }: AskedGeneration,
): void {
  const wanted = of === "areas" ? areas : items;
  if (limit === null || wanted <= limit) return;
  const more = upgrade[key] === undefined ? {} : { upgrade: upgrade[key] };
  const extra = { quota: key, limit, current: 0, resets_at: null, ...more };
  throw new DomainError("quota_exceeded", { extra });
}

/**
 * The plan's limits of work, as quotas whose names begin with an underscore: `_open_items` until
 * an item ends, `_credits_day` for a day (UTC) of the account's time. `_running` takes nothing: it
 * tells the workers how many items they may work on at once.
 */
function listWorkLimits({ limits, now }: Entitlements, unitCost: number | undefined): UsageTake[] {
  const { open_items, daily_credits, running } = limits;
  const takes: UsageTake[] = [];
  if (open_items !== undefined) {
    const open = { feature: "_open_items", amount: 1, limit: open_items };
    takes.push({ ...open, period_start: "-infinity", until: "end" });
  }
  if (daily_credits !== undefined && unitCost) {
    const day = { period_start: startOfDay(now), resets_at: endOfDay(now) };
    takes.push({ feature: "_credits_day", amount: unitCost, limit: daily_credits, ...day });
  }
  if (running !== undefined) {
    takes.push({ feature: "_running", amount: 0, limit: running });
  }
  return takes;
}

const dayMs = 24 * 3_600_000;
const startOfDay = (moment: string) =>
  new Date(Math.floor(Date.parse(moment) / dayMs) * dayMs).toISOString();

/** When the UTC day of a moment ends. */
export const endOfDay = (moment: string): string =>
  new Date((Math.floor(Date.parse(moment) / dayMs) + 1) * dayMs).toISOString();
