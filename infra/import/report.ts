import type { ImportOutcome } from "../../packages/db/src/imports.ts";
import type { Draft } from "./read-people.ts";

/** Credits by source; stock as `stock:<feature>`. */
export type Sums = Record<string, number>;

export type ImportReport = {
  source: string;
  system: string;
  /** Of whose providers' books its plans and payments are from now on. */
  mode: "test" | "live";
  is_dry_run: boolean;
  /** How many people there were of each outcome. */
  people: Record<ImportOutcome["outcome"], number>;
  /** Why so many were refused; the first of them by name. */
  reasons: Record<string, number>;
  refused: { key: string; reason: string }[];
  /** Who has changed there since, and in what; the first of them. */
  differences: { key: string; changed: string[] }[];
  /** What stays behind, or should be known, and of how many people. */
  warnings: Record<string, number>;
  credits: {
    /** What was read there, and which of it is refused. */
    there: Sums;
    refused: Sums;
    /** What is to be here of it, and what is. Null in a dry run. */
    carried: Sums;
    here: Sums | null;
    /** Sums of their own columns that don't agree with what was read. */
    unequal: { source: string; column: string; sum: number; read: number }[];
  };
  styles: { created: string[]; known: string[]; refused: { key: string; reason: string }[] };
  settings: { set: string[]; known: string[]; refused: { key: string; reason: string }[] };
  files: { status: string; error: string | null; count: number }[];
};

/** Lists in a report end here; the counts are of all. */
const mostListed = 1000;

export function startReport(
  about: Pick<ImportReport, "source" | "system" | "mode" | "is_dry_run">,
): ImportReport {
  const here = about.is_dry_run ? null : {};
  return {
    ...about,
    people: { create: 0, join: 0, equal: 0, differs: 0, erased: 0, refuse: 0 },
    reasons: {},
    refused: [],
    differences: [],
    warnings: {},
    credits: { there: {}, refused: {}, carried: {}, here, unequal: [] },
    styles: { created: [], known: [], refused: [] },
    settings: { set: [], known: [], refused: [] },
    files: [],
  };
}

/** What was read of a person: each grant's amount under its source. */
function sumDraft({ row }: Draft): Sums {
  const sums: Sums = {};
  for (const { source, amount } of row.grants) addSums(sums, { [source]: amount });
  for (const { feature, amount } of row.allowances) addSums(sums, { [`stock:${feature}`]: amount });
  return sums;
}

export function addSums(sums: Sums, more: Sums): void {
  for (const [name, amount] of Object.entries(more)) sums[name] = (sums[name] ?? 0) + amount;
}

/** Writes down what became of one person. */
export function noteOutcome(
  report: ImportReport,
  draft: Draft,
  { outcome, reason, changed, credits }: Omit<ImportOutcome, "row_key" | "account_id">,
): void {
  const { key } = draft.row;
  const sums = sumDraft(draft);
  report.people[outcome] += 1;
  addSums(report.credits.there, sums);
  if (outcome === "refuse") {
    const why = reason ?? "unknown";
    addSums(report.reasons, { [why]: 1 });
    addSums(report.credits.refused, sums);
    if (report.refused.length < mostListed) report.refused.push({ key, reason: why });
    return;
  }
  // What was carried once is what it was then, whatever has been spent there since.
  addSums(report.credits.carried, credits ?? sums);
  if (outcome === "differs" && report.differences.length < mostListed) {
    report.differences.push({ key, changed: changed ?? [] });
  }
  for (const warning of new Set(draft.warnings)) addSums(report.warnings, { [warning]: 1 });
}

/** Whether what was carried is here, credit for credit. */
export function isBalanced({ credits: { carried, here, unequal } }: ImportReport): boolean {
  if (unequal.length > 0) return false;
  if (here === null) return true;
  const names = new Set([...Object.keys(carried), ...Object.keys(here)]);
  return [...names].every((name) => (carried[name] ?? 0) === (here[name] ?? 0));
}

/** 0: all is well. 1: something was refused, has changed there, or does not add up. */
export function exitCodeOf(report: ImportReport): 0 | 1 {
  const { people, styles, settings } = report;
  const isRefused = people.refuse + styles.refused.length + settings.refused.length > 0;
  return isRefused || people.differs > 0 || !isBalanced(report) ? 1 : 0;
}

/** The report as people read it. */
export function describeReport(report: ImportReport): string {
  const { credits, people } = report;
  const list = (title: string, values: Record<string, number>) => {
    const text = Object.entries(values).filter(([, count]) => count !== 0);
    return text.length ? [`${title}: ${text.map(([name, n]) => `${name} ${n}`).join(", ")}`] : [];
  };
  const refusals = [...report.refused, ...report.styles.refused, ...report.settings.refused];
  return [
    `${report.source} (${report.system}), ${report.mode} mode`,
    ...(report.is_dry_run ? ["dry run: nothing was written"] : []),
    ...list("people", people),
    ...list("refused because of", report.reasons),
    ...list("to be known", report.warnings),
    ...list("credits read there", credits.there),
    ...list("of refused people", credits.refused),
    ...list(report.is_dry_run ? "would be carried" : "carried", credits.carried),
    ...(credits.here ? list("are here", credits.here) : []),
    ...credits.unequal.map(
      ({ column, sum, read }) => `${column} sums up to ${sum}, and ${read} were read.`,
    ),
    ...refusals.slice(0, 50).map(({ key, reason }) => `refused ${key}: ${reason}`),
    ...report.differences
      .slice(0, 50)
      .map(({ key, changed }) => `differs ${key}: ${changed.join(", ")}`),
    ...(report.styles.created.length ? [`styles: ${report.styles.created.join(", ")}`] : []),
    ...(report.settings.set.length ? [`settings: ${report.settings.set.join(", ")}`] : []),
    ...report.files.map(
      ({ status, error, count }) => `files ${status}${error ? ` (${error})` : ""}: ${count}`,
    ),
    isBalanced(report) ? "It adds up." : "It does NOT add up.",
  ].join("\n");
}
