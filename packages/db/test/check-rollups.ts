import { expect } from "vitest";
import { recountDay } from "../src/recount.ts";
import { rollUp } from "../src/rollups.ts";
import { readStatistics } from "../src/statistics.ts";
import { summarizeAllUsage, summarizeRevenue, type UsageGroup } from "../src/usage-summaries.ts";
import type { TestDatabase } from "./clone.ts";
import {
  type Folded,
  foldLevels,
  foldRollups,
  readFolded,
  sortKeys,
  withoutZeros,
} from "./fold-rollups.ts";
import { clearRawRows, toDay, writeRawRows } from "./raw-rows.ts";

/** Does every step that is due. */
export async function rollUpAll(worker: TestDatabase["worker"]): Promise<void> {
  while ((await rollUp(worker)) !== undefined);
}

/**
 * Draws the rows of a seed, rolls them up and compares every line, every statistic and the sums of
 * every group with a fold over the rows; a recount then finds nothing.
 */
export async function checkRollups(database: TestDatabase, seed: number): Promise<void> {
  const { admin, worker } = database;
  await clearRawRows(admin);
  const { final } = await writeRawRows(admin, seed);
  await rollUpAll(worker);
  // Marks may have added the day before: a subscription began there, a payment was paid.
  const rows = await admin<{ day: string }[]>`
    SELECT day::text FROM ducat.rollup_days WHERE day < ducat.utc_day() ORDER BY day`;
  const days = rows.map(({ day }) => day);
  const folded = await foldRollups(admin, days, (day) => day <= final);
  expect(Object.keys(folded.usage).length).toBeGreaterThan(5);
  expect(await readFolded(admin, days)).toEqual(folded);
  await checkStatistics(database, days, folded);
  for (const group of ["day", "account", "style", "model", "feature", "language"] as const) {
    await checkGroup(database, days, { folded, group });
  }
  for (const day of days) {
    const state = day <= final ? "final" : "open";
    expect(await recountDay(worker, day)).toEqual({ day, state, skipped: 0, differences: [] });
  }
}

const sumBy = (entries: [string, number][]) => {
  const sums: Record<string, number> = {};
  for (const [key, value] of entries) sums[key] = (sums[key] ?? 0) + value;
  return withoutZeros(sums);
};

async function checkStatistics(
  { app, admin }: TestDatabase,
  days: string[],
  { stats }: Folded,
): Promise<void> {
  const told = await readStatistics(app, days[0] ?? "", days.at(-1) ?? "");
  const flows = Object.entries(stats).flatMap(([key, value]): [string, number][] => {
    const [, , name, labels] = JSON.parse(key) as [string, number, string, object];
    if (name === "active_accounts") return [];
    return [[JSON.stringify([name, labels]), value as number]];
  });
  const show = ({ name, labels, value }: (typeof told)[number]): [string, number] => [
    JSON.stringify([name, sortKeys(labels)]),
    value,
  ];
  expect(sumBy(told.filter(({ part }) => part === "flow").map(show))).toEqual(sumBy(flows));
  // Today, when the levels were looked at; nothing of the rows is of today.
  const now = await readStatistics(app, toDay(Date.now()), toDay(Date.now()));
  expect(sumBy(now.filter(({ part }) => part === "level").map(show))).toEqual(
    await foldLevels(admin),
  );
  const names = ["accounts_created", "accounts_erased"];
  names.push("subscriptions_started", "subscriptions_ended");
  const before = flows.filter(([key]) => names.some((name) => key.includes(`"${name}"`)));
  expect(sumBy(now.filter(({ part }) => part === "before").map(show))).toEqual(sumBy(before));
}

const places = { account: 0, day: 1, style: 4, model: 6, feature: 7, language: 8 } as const;

async function checkGroup(
  { app }: TestDatabase,
  days: string[],
  { folded, group }: { folded: Folded; group: keyof typeof places & UsageGroup },
): Promise<void> {
  const span = { from: days[0] ?? "", to: days.at(-1) ?? "", groupBy: [group] };
  const lines = await summarizeAllUsage(app, { ...span, limit: 5_000 });
  const isAbout = (source: string) => {
    if (group === "feature") return source === "feature";
    return group === "day" || group === "account" ? source !== "feature" : source === "generation";
  };
  const wanted = Object.entries(folded.usage).flatMap(([text, sums]) => {
    const key = JSON.parse(text) as string[];
    const source = key[3] ?? "";
    if (!isAbout(source)) return [];
    return [{ name: key[places[group]] ?? "", source, sums: sums as Record<string, number> }];
  });
  const pick = (name: string, of?: string) =>
    sumBy(
      wanted.filter(({ source }) => !of || source === of).map((w) => [w.name, w.sums[name] ?? 0]),
    );
  const own = (name: keyof (typeof lines)[number]) =>
    sumBy(lines.map((line) => [line[group] ?? "", line[name] as number]));
  for (const name of ["completed", "failed", "canceled", "response_ms", "costed"] as const) {
    expect(own(name), name).toEqual(pick(name));
  }
  expect(own("charged")).toEqual(pick("charged", "generation"));
  expect(own("amount")).toEqual(pick("amount", "feature"));
  if (group === "feature" || group === "language") return;
  const revenue = await summarizeRevenue(app, span);
  const money: [string, number][] = Object.entries(folded.revenue).map(([text, micros]) => {
    const key = JSON.parse(text) as string[];
    const at = { account: 0, day: 1, style: 3, model: 5 }[group];
    return [`${key[at]} ${key[6]}`, Number(micros)];
  });
  expect(sumBy(revenue.map((r) => [`${r[group]} ${r.currency}`, Number(r.amount_micros)]))).toEqual(
    sumBy(money),
  );
}
