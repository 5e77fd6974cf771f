import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { SubscriptionStatus } from "./subscriptions.ts";

/** What the catalog says of a feature; where it stands among the others is `position`. */
type Defined = { name: Record<string, string>; position: number };
/** Whose word decides: the plan's, the more generous pass's, or an administrator's. */
type Source = "plan" | "pass" | "override";

export type FlagFeature = Defined & { kind: "flag"; enabled: boolean; source: Source };

type Counted = Defined & {
  /** Null: no end. */
  limit: number | null;
  used: number;
  /** The counter's period, as create_generation takes it. */
  period_start: string | null;
  resets_at: string | null;
  source: Source;
};

export type LimitFeature = Counted & {
  kind: "limit";
  /** `request`: what one request may ask for; nothing adds up. */
  period: "hour" | "day" | "month" | "request";
  reset: "calendar" | "anchor";
  /** Generations with these styles cost nothing while the limit lasts; "*" is any. */
  free_styles?: string[];
  /** Generations with these styles take one per item, at their price; "*" is any. */
  styles?: string[];
  /** Of a request: only this of it is limited; left out: its items. */
  of?: "areas";
  /** What a generation does when a limit of free styles is used up; left out: pay. */
  beyond?: "pay" | "refuse";
};

export type HeldFeature = Counted & { kind: "stock"; counts: "held" };

/** A stock that is used up: `granted` by allowances that count now, and what is left of them. */
export type SpentFeature = Defined & {
  kind: "stock";
  counts: "spent";
  granted: number;
  remaining: number;
  source: Source;
};

export type EntitledFeature = FlagFeature | LimitFeature | HeldFeature | SpentFeature;

/** What a pass says of a feature: the definition with its own value. */
export type PassFeature = Defined & {
  kind: "flag" | "limit" | "stock";
  enabled?: boolean;
  limit?: number | null;
};

export type EntitledPass = {
  id: string;
  /** Its product's key. */
  product: string;
  subject: string | null;
  starts_at: string;
  ends_at: string;
  features: Record<string, PassFeature>;
};

/** How the newest subscription stands; `none`: there never was one. */
export type EntitledStatus = "none" | Exclude<SubscriptionStatus, "incomplete">;

export type PlanLimits = {
  /** Items that are worked on at once. */
  running?: number;
  /** Items that have not ended. */
  open_items?: number;
  /** Credits that generations set aside in a day (UTC). */
  daily_credits?: number;
  /** How long results are kept. */
  retention_days?: number;
};

/** What an account may do. Its times are the account's own: the wall clock and `offset_s`. */
export type Entitlements = {
  account_id: string;
  kind: "user" | "vendor";
  now: string;
  offset_s: number;
  plan: { key: string; name: Record<string, string> } | null;
  status: EntitledStatus;
  trial: { ends_at: string | null } | null;
  /** Of the subscription that gives access. */
  period: { start: string; end: string } | null;
  cancel_at: string | null;
  /** Without what passes that are bound to a subject add. */
  features: Record<string, EntitledFeature>;
  passes: EntitledPass[];
  rate_limits: { minute?: number; hour?: number; day?: number };
  limits: PlanLimits;
  /** By feature: the product that allows more; no member where there is none. */
  upgrade: Record<string, string>;
  /** When all this next changes by itself. */
  next_change_at: string | null;
};

/** What an account may do now, in one query and without a lock. Errors: not_found. */
export async function findEntitlements(db: Db, accountId: string): Promise<Entitlements> {
  const [row] = await ask(db<{ found: Entitlements }[]>`
    SELECT ducat.find_entitlements(${accountId}) AS found`);
  if (!row) throw new Error("find_entitlements returned no row");
  return row.found;
}

export type Override = {
  feature: string;
  value: boolean | number | null;
  expires_at: string | null;
  reason: string | null;
  updated_at: string;
};

export type NewOverride = {
  feature: string;
  /** true or false of a flag; a number, or null for no end, of a limit or places. */
  value: boolean | number | null;
  expiresAt?: Date | undefined;
  reason?: string | undefined;
  audit: Audit;
};

/**
 * Says for one account what a feature allows, instead of its plan and passes.
 * Errors: not_found (what: account | feature), validation_failed (reason: value | expires_at |
 * spent: a stock that is spent is filled by allowances).
 */
export async function setFeatureOverride(
  db: Db,
  accountId: string,
  { feature, value, expiresAt, reason, audit }: NewOverride,
): Promise<Override> {
  const [row] = await ask(db<{ override: Override }[]>`
    SELECT ducat.set_feature_override(${accountId}, ${feature},
      ${JSON.stringify(value)}::text::jsonb, ${expiresAt ?? null}, ${reason ?? null},
      ${JSON.stringify(audit)}::text::jsonb) AS override`);
  if (!row) throw new Error("set_feature_override returned no row");
  return row.override;
}

/** Lets plan and passes decide again. False when there was no override. Errors: not_found. */
export async function removeFeatureOverride(
  db: Db,
  accountId: string,
  { feature, audit }: { feature: string; audit: Audit },
): Promise<boolean> {
  const [row] = await ask(db<{ removed: boolean }[]>`
    SELECT ducat.remove_feature_override(${accountId}, ${feature},
      ${JSON.stringify(audit)}::text::jsonb) AS removed`);
  return row?.removed ?? false;
}

export type Assignment = {
  /** The default plan takes an assigned one away. */
  plan: string;
  /** By the account's clock; left out: until it is changed. */
  until?: Date | undefined;
  audit: Audit;
};

/** The assigned plan as a subscription; null when it was taken away. */
export type Assigned = {
  id: string;
  product: string;
  status: string;
  period: { start: string; end: string };
  cancel_at: string | null;
} | null;

/**
 * Gives an account a plan by an administrator's word: nothing is paid, and what the plan gives each
 * month is given by our clock. Errors: not_found (what: account | product), invalid_state (reason:
 * subscription: one that is paid runs on), validation_failed (reason: until: it is over).
 */
export async function assignPlan(
  db: Db,
  accountId: string,
  { plan, until, audit }: Assignment,
): Promise<Assigned> {
  const [row] = await ask(db<{ assigned: Assigned }[]>`
    SELECT ducat.assign_plan(${accountId}, ${plan}, ${until ?? null},
      ${JSON.stringify(audit)}::text::jsonb) AS assigned`);
  return row?.assigned ?? null;
}

/** Takes an assigned plan away; false when there was none. Errors: not_found. */
export async function liftPlan(db: Db, accountId: string, audit: Audit): Promise<boolean> {
  const [row] = await ask(db<{ lifted: boolean }[]>`
    SELECT ducat.lift_plan(${accountId}, ${JSON.stringify(audit)}::text::jsonb) AS lifted`);
  return row?.lifted ?? false;
}
