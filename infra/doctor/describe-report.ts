import type { Report } from "./examine.ts";

/** A report for people: each finding with its rows and where the runbook says what to do. */
export function describeReport(report: Report): string {
  const { findings, skipped, accounts, seconds } = report;
  const lines = findings.flatMap(({ check, title, rows }) => [
    `✗ ${check}: not so: ${title}`,
    ...rows.map((row) => `    ${JSON.stringify(row)}`),
    `    what to do: docs/doctor.md#${check.toLowerCase()}`,
    "",
  ]);
  lines.push(
    ...skipped.map(({ check, reason }) => `? ${check}: could not be looked at: ${reason}`),
  );
  const sum = `${accounts} ${accounts === 1 ? "account" : "accounts"} in ${seconds} s`;
  return [...lines, `${describeEnd(report)} (${sum})`].join("\n");
}

function describeEnd({ ok, findings }: Report): string {
  if (ok) return "Everything was looked at, and nothing is wrong.";
  if (findings.length === 0) return "Nothing wrong was found in what could be looked at.";
  return `${findings.length} ${findings.length === 1 ? "rule is" : "rules are"} broken.`;
}
