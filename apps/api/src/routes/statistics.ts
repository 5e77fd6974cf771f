import { readBacklog } from "@ducat/db/items";
import { countActiveAccounts, countDeadLetters, readStatistics } from "@ducat/db/statistics";
import { readRollupAge } from "@ducat/db/usage-summaries";
import { readWebhookBacklog } from "@ducat/db/webhook-events";
import type { Statistics } from "@ducat/types/statistics";
import { OpenAPIHono } from "@hono/zod-openapi";
import { requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import type { Metrics } from "../metrics.ts";
import * as operations from "../operations/statistics.ts";
import { readSpan } from "../read-span.ts";
import { toMoment } from "../show-payment.ts";
import { showStatistics } from "../show-statistics.ts";
import { toRate } from "../show-usage.ts";

/** The numbers of the whole deployment: for administrators. */
export const statisticsRoutes = (deps: Deps, metrics: Pick<Metrics, "readCache">) => {
  const { db, now } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.stats, async (c) => {
    const span = readSpan(c.req.valid("query"), now());
    const { from, to } = span;
    const [list, active, age, live] = await Promise.all([
      readStatistics(db, from, to),
      countActiveAccounts(db, from, to),
      readRollupAge(db, from, to),
      readLive(deps, metrics),
    ]);
    const { computed_at, pending_days } = age;
    const told = { computed_at: toMoment(computed_at), pending_days, live };
    return c.json({ ...span, ...told, ...showStatistics(list, active) }, 200);
  });

  return app;
};

async function readLive(
  deps: Pick<Deps, "db" | "queue" | "log">,
  metrics: Pick<Metrics, "readCache">,
): Promise<Statistics["live"]> {
  const { db } = deps;
  const [queue, backlog, cache, webhooks, dead_letters] = await Promise.all([
    readQueue(deps),
    readBacklog(db),
    metrics.readCache(),
    readWebhookBacklog(db),
    countDeadLetters(db),
  ]);
  const { hits, misses } = cache;
  return {
    queue,
    backlog: { items: backlog.waiting, oldest_seconds: backlog.oldestSeconds },
    cache: { hits, misses, hit_rate: toRate(hits, hits + misses) },
    webhooks: { waiting: webhooks.waiting, oldest_seconds: webhooks.oldestSeconds },
    dead_letters,
  };
}

/** Null where the queue doesn't answer: the rest is worth seeing then above all. */
async function readQueue({
  queue,
  log,
}: Pick<Deps, "queue" | "log">): Promise<Statistics["live"]["queue"]> {
  try {
    const [counts, oldestMs] = await Promise.all([
      queue.counts("run-item"),
      queue.oldestWaitingMs("run-item"),
    ]);
    return { ...counts, oldest_seconds: (oldestMs ?? 0) / 1_000 };
  } catch (err) {
    log.warn({ err }, "the queue could not be asked for its numbers");
    return null;
  }
}
