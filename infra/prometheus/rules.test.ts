import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { listMetrics, type Metrics } from "./test/list-metrics.ts";
import { readPromql } from "./test/read-promql.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFile(join(root, path), "utf8");

type Rule = {
  alert: string;
  expr: string;
  for: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
};
type Panel = {
  id: number;
  title: string;
  description: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { refId: string; expr: string; legendFormat: string }[];
};

const { groups } = parse(await read("infra/prometheus/rules.yaml")) as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(await read("infra/grafana/ducat.json")) as { panels: Panel[] };
// What Grafana fills in, as it would look then.
const expressions = [
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ...panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({ where: title, expr: expr.replaceAll("$__rate_interval", "5m") })),
  ),
];

/** Added by Prometheus itself to whatever it scrapes. */
const scraped = ["job", "instance"];
/** Labels whose values are nobody's list. */
const isOpen = (metric: string, label: string) =>
  label === "job" || (metric.startsWith("http_") && ["route", "status"].includes(label));

let metrics: Metrics;
beforeAll(async () => {
  metrics = await listMetrics();
});

/** What an expression asks for that is not exposed. */
function findFaults(expr: string): string[] {
  const { faults, selectors, groupings } = readPromql(expr);
  const hasLabel = (metric: string, label: string) =>
    scraped.includes(label) || metric === "up" || metrics.get(metric)?.has(label);
  const unknown = selectors.flatMap(({ metric, matchers }) => {
    if (metric !== "up" && !metrics.has(metric)) return [`no metric ${metric}`];
    return matchers.flatMap(({ label, operator, value }) => {
      if (!hasLabel(metric, label)) return [`${metric} has no label ${label}`];
      if (isOpen(metric, label)) return [];
      const values = operator.includes("~") ? value.split("|") : [value];
      const seen = metrics.get(metric)?.get(label);
      return values.filter((each) => !seen?.has(each)).map((each) => `${metric}: no ${each}`);
    });
  });
  const ungrouped = groupings.flatMap(({ label, metrics: names }) =>
    names
      .filter((metric) => !hasLabel(metric, label))
      .map((metric) => `${metric} has no label ${label}`),
  );
  return [...faults, ...unknown, ...ungrouped];
}

describe("rules and dashboard", () => {
  it.each(expressions)("$where asks for what exists: $expr", ({ expr }) => {
    expect(findFaults(expr)).toEqual([]);
    expect(readPromql(expr).selectors.length).toBeGreaterThan(0);
  });

  it.each([
    ["no metric ducat_nothing", "ducat_nothing > 1"],
    ["ducat_up has no label state", 'ducat_up{state="x"}'],
    ["ducat_up: no moon", 'ducat_up{part="moon"}'],
    ["ducat_webhooks: no gone", 'ducat_webhooks{status=~"dead|gone"}'],
    ["ducat_up has no label task", "max by (task) (ducat_up)"],
    ["at 20: ", "sum(rate(ducat_up[5m"],
  ])("would find %s", (fault, expr) => {
    expect([...new Set(findFaults(expr))]).toEqual([expect.stringContaining(fault)]);
  });

  it("leave no number of ours unseen", () => {
    const asked = expressions.flatMap(({ expr }) =>
      readPromql(expr).selectors.map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, "")),
    );
    const ours = [...metrics.keys()].filter((name) => name.startsWith("ducat_"));
    const names = ours.map((name) => name.replace(/_(bucket|sum|count)$/, ""));
    expect(names.filter((name) => !asked.includes(name))).toEqual([]);
    expect(names.length).toBeGreaterThan(20);
  });
});

describe("rules.yaml", () => {
  it("gives every alert a name, a time, a severity and words", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule.alert).toMatch(/^Ducat[A-Z]\w+$/);
      expect(rule.for, rule.alert).toMatch(/^\d+m$/);
      expect(["page", "ticket"], rule.alert).toContain(rule.labels.severity);
      expect(rule.annotations.summary.length, rule.alert).toBeLessThan(100);
    }
  });

  it("has a runbook for every alert, and an alert for every runbook", async () => {
    const text = await read("docs/runbooks.md");
    const headings = [...text.matchAll(/^## (Ducat\w+)$/gm)].map(([, name]) => name);
    expect(headings.sort()).toEqual(rules.map(({ alert }) => alert).sort());
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`docs/runbooks.md#${alert.toLowerCase()}`);
    }
  });
});

describe("prometheus.yaml", () => {
  it("scrapes the jobs that the rules speak of, by the rules beside it", async () => {
    const config = parse(await read("infra/prometheus/prometheus.yaml"));
    expect(config.rule_files).toEqual(["rules.yaml"]);
    const jobs = config.scrape_configs.map((job: { job_name: string }) => job.job_name);
    expect(jobs).toEqual(["ducat-api", "ducat-worker"]);
  });
});

describe("ducat.json", () => {
  it("has panels with words, ids of their own and places that don't overlap", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ title, description, gridPos: { x, y, w, h } }) => {
      expect(title.length).toBeGreaterThan(3);
      expect(description.length).toBeGreaterThan(3);
      expect(x + w).toBeLessThanOrEqual(24);
      const row = Array.from({ length: w }, (_, i) => x + i);
      return Array.from({ length: h }, (_, j) => row.map((column) => `${column}/${y + j}`)).flat();
    });
    expect(new Set(cells).size).toBe(cells.length);
  });
});
