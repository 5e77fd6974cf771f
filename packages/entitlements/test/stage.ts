import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { onTestFinished } from "vitest";
import { type Cache, createCache } from "../../cache/src/cache.ts";
import type { Db } from "../../db/src/connect.ts";
import type { TestDatabase } from "../../db/test/clone.ts";
import { createEntitlements } from "../src/entitlements.ts";

type Databases = Pick<TestDatabase, "app" | "admin" | "url">;
type Features = Record<string, Record<string, unknown>>;

/** A limit of so many a month, unless it is told otherwise. */
export const limit = (limit: number | null, more: Record<string, unknown> = {}) => ({
  ...{ kind: "limit", name: { en: "A limit" }, position: 1, period: "month", reset: "calendar" },
  limit,
  ...more,
});

/** The plan that accounts of the test have: nobody else's, and the default of users. */
export async function makeDefaultPlan(
  admin: Db,
  plan: { features?: Features; limits?: Record<string, number> } = {},
): Promise<string> {
  const key = `p-${randomUUID()}`;
  await admin`UPDATE ducat.products SET is_default = false WHERE is_default`;
  await admin`
    INSERT INTO ducat.products ${admin({
      ...{ key, kind: "plan", name: { en: "A plan" }, description: {}, is_default: true },
      features: admin.json(plan.features as never),
      limits: admin.json((plan.limits ?? {}) as never),
    } as never)}`;
  return key;
}

/** As connectDatabase opens it for the API, and what it was asked. */
function connectCounted(url: string) {
  const queries: string[] = [];
  const db: Db = postgres(url, {
    max: 5,
    connection: { role: "ducat_app", timezone: "UTC" },
    // The driver's own question about array types is none of ours.
    debug: (_, query) => void (query.includes("pg_type") || queries.push(query)),
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  onTestFinished(() => db.end({ timeout: 1 }));
  return { db, queries };
}

/** What a process of the API has: closed with the test, and counting what it does. */
export async function openProcess(
  { url }: Databases,
  more: { redisUrl?: string; postgresUrl?: string } = {},
) {
  const lines: unknown[] = [];
  const log = { warn: (line: unknown) => lines.push(line) };
  const cache: Cache = createCache({ postgresUrl: url, log: log as never, ...more });
  onTestFinished(() => cache.close());
  if (!more.postgresUrl) await cache.ready();
  const { db, queries } = connectCounted(url);
  const entitlements = createEntitlements({ db, cache, log: log as never });
  const counts = { hits: 0, misses: 0, loads: 0, failed: [] as string[] };
  entitlements.observe({
    read: (isHit) => (isHit ? counts.hits++ : counts.misses++),
    loaded: () => counts.loads++,
    failed: (what) => counts.failed.push(what),
  });
  return { db, cache, entitlements, counts, queries, lines };
}
