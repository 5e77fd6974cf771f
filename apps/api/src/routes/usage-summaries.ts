import {
  type RevenueLine,
  readRollupAge,
  summarizeAllUsage,
  summarizeRevenue,
  summarizeUsage,
  type UsageGroup,
  type UsageLine,
  type UsageSpan,
} from "@ducat/db/usage-summaries";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/usage-summaries.ts";
import { readSpan } from "../read-span.ts";
import { toMoment } from "../show-payment.ts";
import { showKey, showMoney, showSums } from "../show-usage.ts";

const mostLines = 5_000;

/** What an account used, summed up. */
export const usageSummaryRoutes = ({ db, now }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("usage"), requireAccount(findAccount));

  app.openapi(operations.summary, async (c) => {
    const { group_by = ["day"], ...asked } = c.req.valid("query");
    const span = readSpan(asked, now());
    const { accountId } = c.var;
    const read = (groupBy: UsageSpan["groupBy"], limit: number) =>
      summarizeUsage(db, accountId, { ...span, groupBy, limit });
    const [lines, [total], age] = await Promise.all([
      read(group_by, mostLines + 1),
      read(totalOf(group_by), 1),
      readRollupAge(db, span.from, span.to),
    ]);
    const data = lines.slice(0, mostLines).map((line) => ({ ...showKey(line), ...showSums(line) }));
    return c.json(
      { ...span, group_by, data, total: showSums(total), ...showRest(lines, age) },
      200,
    );
  });

  return app;
};

/** What all accounts used: for administrators. */
export const adminUsageRoutes = ({ db, now }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.adminUsage, async (c) => {
    const { group_by = ["day"], account, ...asked } = c.req.valid("query");
    const span = readSpan(asked, now());
    const only = account === undefined ? {} : { accountId: await findAccount(account) };
    const read = (groupBy: UsageSpan["groupBy"], limit: number) =>
      summarizeAllUsage(db, { ...span, ...only, groupBy, limit });
    const readRevenue = async (groupBy: readonly UsageGroup[]) =>
      hasRevenue(group_by) ? await summarizeRevenue(db, { ...span, ...only, groupBy }) : undefined;
    const [lines, [total], revenue, revenues, age] = await Promise.all([
      read(group_by, mostLines + 1),
      read(totalOf(group_by), 1),
      readRevenue(group_by),
      readRevenue([]),
      readRollupAge(db, span.from, span.to),
    ]);
    const findRevenue = revenue && indexRevenue(revenue);
    const data = lines.slice(0, mostLines).map((line) => ({
      ...showKey(line),
      ...(line.account !== null && { account_id: line.account }),
      ...showSums(line),
      ...showMoney(line, findRevenue?.(line)),
    }));
    const sums = { ...showSums(total), ...showMoney(total, revenues) };
    return c.json({ ...span, group_by, data, total: sums, ...showRest(lines, age) }, 200);
  });

  return app;
};

/** What the lines by these come to together: of the same things. */
function totalOf(groupBy: readonly UsageGroup[]): UsageSpan["groupBy"] {
  if (groupBy.includes("feature")) return ["all_features"];
  return groupBy.every((name) => name === "day" || name === "account") ? [] : ["all_items"];
}

/** Revenue is told by account, day, style and model. */
const hasRevenue = (groupBy: readonly UsageGroup[]) =>
  groupBy.every((name) => ["day", "account", "style", "model"].includes(name));

type Key = Pick<RevenueLine, "day" | "account" | "style" | "model">;

function indexRevenue(lines: RevenueLine[]): (line: Key) => RevenueLine[] {
  const keyOf = ({ day, account, style, model }: Key) =>
    JSON.stringify([day, account, style, model]);
  const found = new Map<string, RevenueLine[]>();
  for (const line of lines) {
    const key = keyOf(line);
    found.set(key, [...(found.get(key) ?? []), line]);
  }
  return (line) => found.get(keyOf(line)) ?? [];
}

const showRest = (lines: UsageLine[], age: { computed_at: Date | null; pending_days: number }) => ({
  is_truncated: lines.length > mostLines,
  computed_at: toMoment(age.computed_at),
  pending_days: age.pending_days,
});
