import { setTimeout as sleep } from "node:timers/promises";
import type { ProviderName } from "@ducat/billing/provider";
import type { Difference, Reconciliation } from "@ducat/db/reconciliations";
import { DomainError } from "@ducat/types/errors";
import type { PaymentDeps } from "./providers.ts";
import { reconcile } from "./reconcile.ts";

export type ReportedRun = {
  id: string;
  provider: string;
  mode: string;
  status: "clean" | "differs" | "failed";
  since: string;
  started_at: string | null;
  finished_at: string | null;
  facts: number;
  differences: Difference[];
  error: string | null;
};

/** What `pnpm reconcile` prints. */
export type Report = { status: ReportedRun["status"]; runs: ReportedRun[] };

export type ReportRequest = {
  since?: Date | undefined;
  /** Left out: every provider that there is. */
  providers?: readonly ProviderName[] | undefined;
  /** How long another process's run is waited for. */
  patienceMs: number;
};

const pauseMs = 1_000;

/**
 * Reconciles one provider after the other, now, and tells what was found. The worst of them is the
 * report's status: failed, differs, clean. Errors: in_progress (another process runs one for
 * longer than our patience), validation_failed (a date in the future, a provider that isn't there).
 */
export async function reportReconciliation(
  deps: PaymentDeps,
  { since, providers = [...deps.providers.keys()], patienceMs }: ReportRequest,
): Promise<Report> {
  const runs: ReportedRun[] = [];
  for (const name of providers) {
    const provider = deps.providers.get(name);
    if (!provider) {
      throw new DomainError("validation_failed", { detail: `There is no ${name} here.` });
    }
    const until = deps.now() + patienceMs;
    let run = await reconcile(deps, provider, { everySeconds: 0, since });
    while (!run) {
      if (deps.now() >= until) {
        throw new DomainError("in_progress", { detail: `Another run for ${name} is under way.` });
      }
      await sleep(pauseMs);
      run = await reconcile(deps, provider, { everySeconds: 0, since });
    }
    runs.push(showRun(run));
  }
  const isAny = (status: ReportedRun["status"]) => runs.some((run) => run.status === status);
  const status = isAny("failed") ? "failed" : isAny("differs") ? "differs" : "clean";
  return { status, runs };
}

function showRun(run: Reconciliation): ReportedRun {
  const { id, provider, mode, facts, differences, error } = run;
  return {
    id,
    provider,
    mode,
    status: run.status as ReportedRun["status"],
    since: run.since.toISOString(),
    started_at: run.started_at?.toISOString() ?? null,
    finished_at: run.finished_at?.toISOString() ?? null,
    facts,
    differences,
    error,
  };
}
