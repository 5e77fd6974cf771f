import { type Login, migrate } from "../../packages/db/src/migrate.ts";
import { seedStyles } from "../../packages/db/src/seed.ts";
import { migrateQueue } from "../../packages/queue/src/migrate.ts";
import { loadCatalog } from "../catalog/load-catalog.ts";

type MigrateAllOptions = {
  /** An administrator's login, not through a transaction pooler. */
  adminUrl: string;
  /** Where the queue is, when it has a URL of its own. */
  queueUrl?: string | undefined;
  passwords?: Partial<Record<Login, string>> | undefined;
  /** What is sold: see loadCatalog. */
  catalog?: string | undefined;
  mode?: "test" | "live" | undefined;
  log: (line: string) => void;
};

/**
 * Brings everything that lives in PostgreSQL up to date: schema and functions, the presets, the
 * catalog, and the queue's tables unless the queue is Redis. Says each thing that it did; returns
 * how many.
 * Safe to run from several processes at once and again at any time.
 */
export async function migrateAll(options: MigrateAllOptions): Promise<number> {
  const { adminUrl, queueUrl, passwords, catalog, mode, log } = options;
  const applied = await migrate({ url: adminUrl, passwords, log });
  const styles = await seedStyles(adminUrl);
  for (const id of styles) log(`published style ${id}`);
  const changes = await loadCatalog({ adminUrl, catalog, mode });
  if (changes.length > 0) log(`updated the catalog: ${changes.length} changes`);
  if (!queueUrl) await migrateQueue(adminUrl, { role: "ducat_queue" });
  else if (queueUrl.startsWith("postgres")) await migrateQueue(queueUrl);
  return applied.length + styles.length + changes.length;
}
