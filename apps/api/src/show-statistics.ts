import type { Statistic } from "@ducat/db/statistics";
import type { Statistics } from "@ducat/types/statistics";
import { toRate } from "./show-usage.ts";

type Read = (part: Statistic["part"], name: string, labels?: Record<string, string>) => number;
type Told = Omit<Statistics, "from" | "to" | "computed_at" | "pending_days" | "live">;

/** The statistics of a span as the API tells them; docs/statistics.md defines each. */
export function showStatistics(list: Statistic[], active: number): Told {
  const read: Read = (part, name, labels = {}) =>
    list
      .filter((one) => one.part === part && one.name === name && has(one.labels, labels))
      .reduce((sum, { value }) => sum + value, 0);
  return {
    accounts: {
      users: showAccounts(read, "user"),
      vendors: showAccounts(read, "vendor"),
      active,
    },
    revenue: showRevenue(list),
    mrr: find(list, "level", "mrr").map(({ labels, value }) => ({
      amount: value,
      currency: labels.currency ?? "",
    })),
    subscriptions: showSubscriptions(list, read),
    trials: {
      granted: read("flow", "trials_granted"),
      converted: read("flow", "trials_converted"),
    },
    credits: showCredits(read),
    ...showWork(list, read),
  };
}

const has = (labels: Record<string, string>, wanted: Record<string, string>) =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value);

const find = (list: Statistic[], part: Statistic["part"], name: string) =>
  list
    .filter((one) => one.part === part && one.name === name)
    .sort((a, b) => b.value - a.value || toText(a).localeCompare(toText(b)));
const toText = ({ labels }: Statistic) => JSON.stringify(labels);

function showAccounts(read: Read, kind: string): Told["accounts"]["users"] {
  const created = read("flow", "accounts_created", { kind });
  const erased = read("flow", "accounts_erased", { kind });
  const before =
    read("before", "accounts_created", { kind }) - read("before", "accounts_erased", { kind });
  return { total: before + created - erased, new: created, erased };
}

function showRevenue(list: Statistic[]): Told["revenue"] {
  const told = new Map<string, Told["revenue"][number]>();
  for (const { labels, value } of find(list, "flow", "payments")) {
    const { provider = "", currency = "", measure = "" } = labels;
    const key = `${provider} ${currency}`;
    const line = told.get(key) ?? { ...noRevenue, provider, currency };
    if (measure === "count") line.payments = value;
    else if (measure === "reversed") line.net -= value;
    else if (measure === "gross") Object.assign(line, { gross: value, net: line.net + value });
    else if (measure === "refunded" || measure === "disputed") line[measure] = value;
    told.set(key, line);
  }
  return [...told].sort(([a], [b]) => a.localeCompare(b)).map(([, line]) => line);
}

const noRevenue = { payments: 0, gross: 0, refunded: 0, disputed: 0, net: 0 };

function showSubscriptions(list: Statistic[], read: Read): Told["subscriptions"] {
  const ended = read("flow", "subscriptions_ended");
  const active = read("before", "subscriptions_started") - read("before", "subscriptions_ended");
  return {
    by_plan: find(list, "level", "subscriptions").map(({ labels, value }) => ({
      plan: labels.plan ?? "",
      status: labels.status ?? "",
      is_manual: labels.is_manual === "true",
      count: value,
    })),
    unpriced: read("level", "subscriptions_unpriced"),
    churn: {
      active_at_start: active,
      started: read("flow", "subscriptions_started"),
      ended,
      rate: active > 0 ? toRate(ended, active) : null,
    },
  };
}

function showCredits(read: Read): Told["credits"] {
  const into = (type: string) => read("flow", "credits", { type, direction: "in" });
  const out = (type: string) => read("flow", "credits", { type, direction: "out" });
  const total = (direction: string) => read("total", "credits", { direction });
  const spent = out("generation") + out("usage");
  const paid_back = into("refund");
  return {
    granted: {
      trial: into("trial"),
      purchase: into("purchase"),
      subscription: into("subscription"),
      auto_reload: into("auto_reload"),
      promo: into("promo"),
      adjustment: into("adjustment"),
    },
    ...{ spent, paid_back, used: spent - paid_back },
    expired: out("expiry"),
    clawed_back: out("clawback") - into("clawback"),
    adjusted_down: out("adjustment"),
    outstanding: total("in") - total("out"),
    debt: read("total", "debt"),
    held: read("level", "balances", { part: "held" }),
  };
}

function showWork(list: Statistic[], read: Read): Pick<Told, "generations" | "items"> {
  const generations = (status: string) => read("flow", "generations", { status });
  const items = (status: string) => read("flow", "items", { status });
  const [completed, failed] = [items("completed"), items("failed")];
  return {
    generations: {
      pending: generations("pending"),
      processing: generations("processing"),
      completed: generations("completed"),
      failed: generations("failed"),
      canceled: generations("canceled"),
    },
    items: {
      ...{ completed, failed, canceled: items("canceled") },
      failure_rate: toRate(failed, completed + failed),
      errors: find(list, "flow", "items")
        .filter(({ labels }) => labels.status === "failed")
        .map(({ labels, value }) => ({
          code: labels.error_code ?? "",
          count: value,
          rate: toRate(value, completed + failed) ?? 0,
        })),
    },
  };
}
