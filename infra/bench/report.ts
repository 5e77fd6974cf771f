import { cpus, loadavg, totalmem } from "node:os";
import type { Row, Spread } from "./rounds.ts";

/** What the figures depend on, for the lines above the table. */
export function describeMachine(
  settings: Record<string, string>,
  { rounds, seconds }: { rounds: number; seconds: number },
): string[] {
  const { server_version, ...others } = settings;
  const list = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${list.length} cores (${list[0]?.model ?? "unknown"}), ${memory} GiB, ` +
      `load before ${loadavg()[0]?.toFixed(2)}`,
    `Node ${process.versions.node}, PostgreSQL ${server_version}, row security on`,
    Object.entries(others)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
    `${rounds} rounds of ${seconds} s a side, in turns; medians, ratios within each round`,
  ];
}

const columns = [
  "what",
  "side",
  "per second",
  "min - max",
  "p50 ms",
  "p95 ms",
  "p99 ms",
  "ratio",
  "min - max",
  "aim",
];

/** The rows as one Markdown table, padded so that it reads well in a terminal too. */
export function formatTable(rows: Row[]): string {
  const lines = [columns, ...rows.map(formatRow)];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  const [head = "", ...body] = lines.map(
    (line) => `| ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`,
  );
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [head, rule, ...body].join("\n");
}

function formatRow(row: Row): string[] {
  const { ratio, aim } = row;
  return [
    row.group,
    row.side,
    formatCount(row.perSecond.median),
    formatRange(row.perSecond, formatCount),
    formatMs(row.p50Ms),
    formatMs(row.p95Ms),
    formatMs(row.p99Ms),
    ratio ? ratio.median.toFixed(2) : "",
    ratio ? formatRange(ratio, (value) => value.toFixed(2)) : "",
    ratio && aim ? `${aim.toFixed(2)} ${ratio.median >= aim ? "met" : "missed"}` : "",
  ];
}

const formatCount = (value: number) =>
  value >= 100 ? String(Math.round(value)) : value.toPrecision(3);

const formatRange = ({ min, max }: Spread, format: (value: number) => string) =>
  `${format(min)} - ${format(max)}`;

/** Empty where single times were not measured. */
const formatMs = (ms: number) => (Number.isNaN(ms) ? "" : ms.toFixed(2));
