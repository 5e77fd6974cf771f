import { channel, createTell } from "@ducat/cache/tell-others";
import type { Db } from "@ducat/db/connect";

/** Resolves when every process was told that an account's usage has changed. */
export type DropUsage = (accountId: string) => Promise<void>;

/**
 * For a process that changes usage and remembers none: tells those who do, after the commit. Never
 * rejects: what is not heard lives out its time, and what is taken never trusts it.
 */
export function createUsageDrops(db: Db, onFault: (error: unknown) => void): DropUsage {
  const tell = createTell((payload) => db`SELECT pg_notify(${channel}, ${payload})`);
  return (accountId) => tell([`entitlements:${accountId}`]).catch(onFault);
}
