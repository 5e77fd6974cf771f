import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { migrate } from "../../packages/db/src/migrate.ts";
import { seedStyles } from "../../packages/db/src/seed.ts";
import { loadCatalog } from "../catalog/load-catalog.ts";
import { startCluster } from "../dev/cluster.ts";
import { findRedisServer } from "../dev/parts.ts";
import { bundlesOf } from "./bundle-entry.ts";
import { startRedis } from "./redis.ts";

type Services = { postgres: string; redis: string | null; run: string; stop(): Promise<void> };
type Shared = { services: Promise<Services>; users: number };

/** Each project of a run has its own copy of this module, and only the process in common. */
const place = globalThis as { ducatTests?: Shared | undefined };

/** One PostgreSQL cluster and one Redis a run; DATABASE_URL names another cluster to use. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  place.ducatTests ??= { services: startServices(), users: 0 };
  const shared = place.ducatTests;
  shared.users += 1;
  const { postgres, redis, run, stop } = await shared.services;
  project.provide("postgres", postgres);
  project.provide("redis", redis);
  project.provide("run", run);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    place.ducatTests = undefined;
    await stop();
  };
}

async function startServices(): Promise<Services> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-test-"));
  const run = basename(dir);
  const given = process.env.DATABASE_URL;
  const cluster = given ? undefined : await startCluster({ dir, fsync: false });
  const url = given ?? cluster?.url ?? "";
  await makeTemplate(url);
  const redis = findRedisServer() ? await startRedis() : undefined;
  const stop = async () => {
    await redis?.stop();
    await cluster?.stop("immediate");
    await rm(dir, { recursive: true, force: true });
    await removeBundles(run);
  };
  return { postgres: url, redis: redis?.url ?? null, run, stop };
}

async function removeBundles(run: string): Promise<void> {
  for (const folder of ["packages", "apps"].map((one) => join(import.meta.dirname, "../..", one))) {
    const folders = (await readdir(folder)).map((name) => bundlesOf(join(folder, name)));
    await Promise.all(folders.map((one) => rm(join(one, run), { recursive: true, force: true })));
  }
}

async function makeTemplate(url: string): Promise<void> {
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  await admin.unsafe("DROP DATABASE IF EXISTS ducat_template WITH (FORCE)");
  await admin.unsafe("CREATE DATABASE ducat_template");
  await admin.end();
  const template = new URL(url);
  template.pathname = "/ducat_template";
  await migrate({ url: template.href });
  await seedStyles(template.href);
  await loadCatalog({ adminUrl: template.href });
}
