import type postgres from "postgres";
import { expect } from "vitest";

/** Waits until `count` sessions of this database wait for a lock of another. */
export async function waitForLocks(admin: postgres.Sql, count = 1): Promise<void> {
  const blocked = () => admin`
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0`;
  await expect.poll(blocked, { timeout: 10_000 }).toHaveLength(count);
}
