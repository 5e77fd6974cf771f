import type { ImportPlan, ImportRow } from "../../packages/db/src/imports.ts";
import type { PlanRule } from "./mapping.ts";
import type { Context } from "./system.ts";

/** A plan as a former system tells of it; times as readTime has them. */
export type FormerPlan = {
  key: string;
  /** What it is called there. */
  name: string;
  status: string;
  provider: string;
  /** Without one, the plan is nobody's to renew, unless `isOwn`: by orders of ours. */
  ref: string | null;
  isOwn?: boolean;
  customerRef?: string | null;
  planRef?: string | null;
  currency?: string;
  startedAt?: string | null;
  periodStart?: string | null;
  periodEnd?: string | null;
  endsWithPeriod?: boolean;
  trialEndsAt?: string | null;
};

type ReadPlan = {
  plan: ImportPlan | null;
  passes: ImportRow["passes"];
  faults: string[];
  warnings: string[];
};

const nothing: ReadPlan = { plan: null, passes: [], faults: [], warnings: [] };
const fault = (name: string): ReadPlan => ({ ...nothing, faults: [name] });
const left = (warning: string): ReadPlan => ({ ...nothing, warnings: [warning] });

const states: Record<string, ImportPlan["status"]> = {
  active: "active",
  trialing: "trialing",
  on_trial: "trialing",
  past_due: "past_due",
  unpaid: "unpaid",
  paused: "paused",
};
/** These run on until the end of what was paid. */
const ending = new Set(["cancelled", "canceled"]);

/** What a plan of theirs is here: a subscription, a pass for the time that is left, or nothing. */
export function readPlan(former: FormerPlan, context: Context): ReadPlan {
  const { mapping, offers, now } = context;
  const runsOut = ending.has(former.status.toLowerCase());
  const status = runsOut ? "active" : states[former.status.toLowerCase()];
  const isOver = former.periodEnd ? new Date(former.periodEnd) <= now : runsOut;
  if (status === undefined || (runsOut && isOver)) return nothing;
  const found = mapping.plans[former.name] ?? findUnknown(context);
  if (found === "none") return nothing;
  if (found === undefined) {
    return mapping.unknown_plans === "skip" ? left("unknown_plan") : fault("unknown_plan");
  }
  const isTrial = status === "trialing";
  const rule = { ...found, interval: (!isTrial && measureInterval(former)) || found.interval };
  const product = offers.findProduct(rule.product);
  if (product === undefined) return fault("unknown_product");
  if (product.is_default) return nothing;
  if (product.kind === "pass") return readPass(former, rule, context);
  const known = { ...former, status, endsWithPeriod: runsOut || former.endsWithPeriod === true };
  return former.ref === null && !former.isOwn
    ? readManual(known, rule, isOver)
    : readPaid(known, rule, context);
}

/** Whether a month or a year is paid at a time; undefined where the period isn't known. */
export function measureInterval({
  periodStart,
  periodEnd,
}: Pick<FormerPlan, "periodStart" | "periodEnd">): "month" | "year" | undefined {
  if (!periodStart || !periodEnd) return undefined;
  const days = (Date.parse(periodEnd) - Date.parse(periodStart)) / 86_400_000;
  return days > 45 ? "year" : "month";
}

const findUnknown = ({ mapping }: Context): PlanRule | undefined =>
  mapping.unknown_plans === "default" ? mapping.default_plan : undefined;

function readPass(former: FormerPlan, rule: PlanRule, { mapping, now }: Context): ReadPlan {
  const { key, provider, periodEnd } = former;
  if (!periodEnd) {
    return mapping.unknown_periods === "skip" ? left("pass_without_end") : fault("period_unknown");
  }
  if (new Date(periodEnd) <= now) return left("pass_is_over");
  const currency = rule.currency ?? former.currency ?? mapping.currency;
  const started = former.periodStart ?? now.toISOString();
  const starts_at = started < periodEnd ? started : now.toISOString();
  return {
    ...nothing,
    passes: [{ key, product: rule.product, provider, currency, starts_at, ends_at: periodEnd }],
  };
}

type Known = FormerPlan & { status: ImportPlan["status"]; endsWithPeriod: boolean };

const timesOf = (former: Known) => ({
  started_at: former.startedAt ?? null,
  period_start: former.periodStart ?? null,
  period_end: former.periodEnd ?? null,
});

/** Nobody is charged for it. It ends with the period that is known, if one is. */
function readManual(former: Known, rule: PlanRule, isOver: boolean): ReadPlan {
  if (isOver) return left("plan_is_over");
  const times = timesOf(former);
  const isWhole = times.period_start !== null && times.period_end !== null;
  return {
    ...nothing,
    plan: {
      key: former.key,
      product: rule.product,
      price_id: null,
      provider: "manual",
      ref: null,
      customer_ref: null,
      plan_ref: null,
      status: "active",
      ...(isWhole ? times : { ...times, period_start: null, period_end: null }),
      cancel_at: times.period_end,
      trial_ends_at: null,
    },
    warnings: times.period_end === null ? ["plan_without_end"] : [],
  };
}

function readPaid(former: Known, rule: PlanRule, { mapping, offers, now }: Context): ReadPlan {
  const { provider, ref, planRef, status } = former;
  const currency = rule.currency ?? former.currency ?? mapping.currency;
  const price = offers.findPrice(rule, provider, currency);
  if (price === undefined) return fault("price_not_found");
  const plan_ref = planRef ?? rule.plan_ref;
  if (plan_ref === undefined && ref !== null) return fault("plan_ref_missing");
  const times = timesOf(former);
  const isWhole =
    times.period_start !== null &&
    times.period_end !== null &&
    times.period_start < times.period_end;
  if (!isWhole && ref === null) return fault("period_unknown");
  // A trial whose end was not told is over, or the provider tells of it soon.
  const trial_ends_at = status === "trialing" ? (former.trialEndsAt ?? times.period_end) : null;
  const isTrial = trial_ends_at !== null && new Date(trial_ends_at) > now;
  return {
    ...nothing,
    plan: {
      key: former.key,
      product: rule.product,
      price_id: price.id,
      provider,
      ref,
      customer_ref: former.customerRef ?? null,
      plan_ref: plan_ref ?? null,
      status: status === "trialing" && !isTrial ? "active" : status,
      ...(isWhole ? times : { ...times, period_start: null, period_end: null }),
      cancel_at: former.endsWithPeriod ? times.period_end : null,
      trial_ends_at,
    },
    warnings: isWhole ? [] : ["period_unknown"],
  };
}
