import {
  type RevenueLine,
  type RollupAge,
  readRollupAge,
  summarizeAllUsage,
  summarizeRevenue,
  summarizeUsage,
  type UsageGroup,
  type UsageLine,
  type UsageSpan,
} from "@ducat/db/usage-summaries";
import type { AdminUsageLine } from "@ducat/types/usage-summaries";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { prefersCsv } from "../csv/prefers-csv.ts";
import { adminUsageColumns, usageColumns } from "../csv/usage-columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/usage-summaries.ts";
import { refuseAt } from "../problem.ts";
import { readSpan } from "../read-span.ts";
import { toMoment } from "../show-payment.ts";
import { showKey, showMoney, showSums } from "../show-usage.ts";

const mostLines = 5_000;

/** What an account used, summed up. */
export const usageSummaryRoutes = ({ db, now, csv }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("usage"), requireAccount(findAccount));

  app.openapi(operations.summary, async (c) => {
    const { group_by = ["day"], bom, ...asked } = c.req.valid("query");
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
    if (prefersCsv(c)) {
      const file = { name: "usage", columns: usageColumns, accountId, bom: bom === "true" };
      return await csv.stream(c, { ...file, chunks: inOne(lines, data) });
    }
    const told = { ...span, group_by, data, total: showSums(total) };
    return c.json({ ...told, ...showRest(lines, age) }, 200);
  });

  return app;
};

/** What all accounts used: for administrators. */
export const adminUsageRoutes = ({ db, now, csv }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.adminUsage, async (c) => {
    const { group_by = ["day"], account, bom, ...asked } = c.req.valid("query");
    const only = account === undefined ? {} : { accountId: await findAccount(account) };
    const span = { ...readSpan(asked, now()), ...only };
    const [{ lines, total }, age] = await Promise.all([
      readLines(db, span, group_by),
      readRollupAge(db, span.from, span.to),
    ]);
    const shown = lines.slice(0, mostLines);
    const revenue = await readRevenue(db, span, { groupBy: group_by, lines: shown });
    const data = shown.map(
      (line): AdminUsageLine => ({
        ...showKey(line),
        ...(line.account !== null && { account_id: line.account }),
        ...showSums(line),
        ...showMoney(line, revenue?.find(line)),
      }),
    );
    if (prefersCsv(c)) {
      const file = { name: "usage", columns: adminUsageColumns, bom: bom === "true" };
      return await csv.stream(c, { ...file, chunks: inOne(lines, data) });
    }
    const { from, to } = span;
    const sums = { ...showSums(total), ...showMoney(total, revenue?.total) };
    return c.json({ from, to, group_by, data, total: sums, ...showRest(lines, age) }, 200);
  });

  return app;
};

type Span = { from: string; to: string; accountId?: string };

async function readLines(db: Deps["db"], span: Span, groupBy: UsageGroup[]) {
  const [lines, [total]] = await Promise.all([
    summarizeAllUsage(db, { ...span, groupBy, limit: mostLines + 1 }),
    summarizeAllUsage(db, { ...span, groupBy: totalOf(groupBy), limit: 1 }),
  ]);
  return { lines, total };
}

/** What the lines by these come to together: of the same things. */
function totalOf(groupBy: readonly UsageGroup[]): UsageSpan["groupBy"] {
  if (groupBy.includes("feature")) return ["all_features"];
  return groupBy.every((name) => name === "day" || name === "account") ? [] : ["all_items"];
}

type Key = Pick<RevenueLine, "day" | "account" | "style" | "model">;
const keyOf = ({ day, account, style, model }: Key) => JSON.stringify([day, account, style, model]);

/** Revenue is told by account, day, style and model; by anything else there is none. */
async function readRevenue(
  db: Deps["db"],
  span: Span,
  { groupBy, lines: shown }: { groupBy: UsageGroup[]; lines: UsageLine[] },
) {
  if (!groupBy.every((name) => ["day", "account", "style", "model"].includes(name))) return;
  const [lines, total] = await Promise.all([
    summarizeRevenue(db, { ...span, groupBy, lines: shown }),
    summarizeRevenue(db, { ...span, groupBy: [] }),
  ]);
  const found = new Map<string, RevenueLine[]>();
  for (const line of lines) {
    const key = keyOf(line);
    const same = found.get(key);
    if (same) same.push(line);
    else found.set(key, [line]);
  }
  return { total, find: (line: Key) => found.get(keyOf(line)) ?? [] };
}

/** The lines of a file, which must be all: nobody would see that some are missing. */
async function* inOne<T>(lines: UsageLine[], data: T[]): AsyncGenerator<T[], void> {
  if (lines.length > mostLines) {
    throw refuseAt("#/query/from", `These are over ${mostLines} lines: ask for fewer days.`);
  }
  yield data;
}

const showRest = (lines: UsageLine[], { computed_at, pending_days }: RollupAge) => ({
  is_truncated: lines.length > mostLines,
  computed_at: toMoment(computed_at),
  pending_days,
});
