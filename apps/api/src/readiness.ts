import type { Db } from "@ducat/db/connect";
import { findSchemaFault, settleQueueKind } from "@ducat/db/database";
import type { Queue } from "@ducat/queue/queue";

type Check = { status: "ok" | "degraded" | "failed"; detail?: string };
type Checks = { process: Check; database: Check; queue: Check };
export type Readiness = {
  ready: boolean;
  status: "ok" | "degraded" | "unavailable";
  checks: Checks;
};

const rememberMs = 1_000;
const failed = (detail: string): Check => ({ status: "failed", detail });

/**
 * Whether this process should get requests. A queue that can't be reached only degrades it, since
 * the rows are the outbox; one that would lose or misplace jobs makes it not ready. Asked often and
 * by anybody, so an answer is kept for a second.
 */
export function createReadiness(deps: {
  db: Db;
  queue: Queue;
  closing: AbortSignal;
  now: () => number;
}): () => Promise<Readiness> {
  let last: { at: number; checks: Promise<Pick<Checks, "database" | "queue">> } | undefined;
  const check = async () => {
    const [database, queue] = await Promise.all([checkDatabase(deps.db), checkQueue(deps)]);
    return { database, queue };
  };
  return async () => {
    if (!last || deps.now() - last.at > rememberMs) last = { at: deps.now(), checks: check() };
    const process: Check = deps.closing.aborted ? failed("It is stopping.") : { status: "ok" };
    const checks: Checks = { process, ...(await last.checks) };
    const all = Object.values(checks);
    const ready = all.every(({ status }) => status !== "failed");
    const degraded = all.some(({ status }) => status === "degraded");
    const status = !ready ? "unavailable" : degraded ? "degraded" : "ok";
    return { ready, status, checks };
  };
}

async function checkDatabase(db: Db): Promise<Check> {
  const fault = await findSchemaFault(db);
  return fault === undefined ? { status: "ok" } : failed(fault);
}

async function checkQueue({ db, queue }: { db: Db; queue: Queue }): Promise<Check> {
  const recorded = await settleQueueKind(db, queue.kind).catch(() => undefined);
  if (recorded !== undefined && recorded !== queue.kind) {
    return failed(
      `This deployment's queue is on ${recorded}, and QUEUE_URL names ${queue.kind}. Jobs would ` +
        "wait where no worker looks: set the same QUEUE_URL everywhere.",
    );
  }
  try {
    await queue.assertReady();
    return { status: "ok" };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    // Where it is and why it does not answer is for the log, and the queue writes that.
    return /is not reachable|did not answer/.test(detail)
      ? { status: "degraded", detail: "The queue can't be reached; new work waits for it." }
      : failed(detail);
  }
}
