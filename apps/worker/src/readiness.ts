import type { Db } from "@ducat/db/connect";
import { findSchemaFault } from "@ducat/db/database";
import type { Worker } from "./worker.ts";

type Check = { status: "ok" | "failed"; detail?: string };
export type Readiness = { ready: boolean; checks: { process: Check; database: Check } };

const rememberMs = 1_000;
const failed = (detail: string): Check => ({ status: "failed", detail });

/**
 * Whether this worker takes jobs and its database is there and as new as it is. Asked often, so
 * what the database said is kept for a second.
 */
export function createReadiness(db: Db, worker: Pick<Worker, "state">): () => Promise<Readiness> {
  let last: { at: number; database: Promise<Check> } | undefined;
  return async () => {
    const now = performance.now();
    if (!last || now - last.at > rememberMs) last = { at: now, database: checkDatabase(db) };
    const state = worker.state();
    const process = state === "working" ? ({ status: "ok" } as const) : failed(`It is ${state}.`);
    const checks = { process, database: await last.database };
    return { ready: Object.values(checks).every(({ status }) => status === "ok"), checks };
  };
}

async function checkDatabase(db: Db): Promise<Check> {
  const fault = await findSchemaFault(db);
  return fault === undefined ? { status: "ok" } : failed(fault);
}
