import { listTurns, rescheduleTurns, type SandboxTurn } from "@ducat/billing/sandbox-clock";
import { raiseAlerts } from "@ducat/db/alerts";
import {
  beginClockRun,
  type ClockRun,
  type ClockStep,
  type Ran,
  recordTick,
  runAccountDue,
  tickClock,
} from "@ducat/db/clock";
import type { Audit, RequestKey } from "@ducat/db/credits";
import { listSubscriptionPages } from "@ducat/db/sandbox-documents";
import { DomainError } from "@ducat/types/errors";
import { applyFacts } from "./apply-facts.ts";
import type { PaymentDeps } from "./providers.ts";

export type ClockDeps = Pick<PaymentDeps, "db" | "providers" | "sandbox">;

/** A subscription at the sandbox that renews, is tried again or ends. */
const providerTurn = "subscription.provider";

/** Ten years of daily events are 3,650; what takes more is gone on with by the same call. */
const mostSteps = 10_000;

/**
 * Moves an account's clock ahead and does, moment by moment and in order, all that falls due on
 * the way: in our books, and at the sandbox. Once per key: a call that ended in the middle is gone
 * on with by the same call, or by any other one for the account, which waits for nobody. Returns
 * the run, `replayed` when it was over before. For test mode. Errors: idempotency_conflict,
 * not_found, validation_failed; unavailable when it takes too long: the same call goes on.
 */
export async function advanceAccountClock(
  deps: ClockDeps,
  accountId: string,
  move: RequestKey & { seconds: number; audit: Audit },
): Promise<ClockRun & { replayed: boolean }> {
  const read = () => beginClockRun(deps.db, accountId, move);
  let run = await read();
  const replayed = run.done_at !== null;
  if (run.done_at === null) {
    // What was paid and not heard of yet. What is due there is a step of its own.
    const turns = await listSandbox(deps, accountId);
    await hear(
      deps,
      turns.filter(({ isNear }) => !isNear),
    );
  }
  for (let n = 0; run.done_at === null && n < mostSteps; n += 1) {
    const also = await listAlso(deps, accountId);
    const step = await tickClock(deps.db, accountId, { ticks: run.ticks, also });
    const after = step && (await doStep(deps, accountId, step));
    run = after?.run_id === run.run_id ? after : await read();
  }
  if (run.done_at === null) throw new DomainError("unavailable");
  return { ...run, replayed };
}

async function doStep(deps: ClockDeps, accountId: string, step: ClockStep): Promise<ClockRun> {
  await runAccountDue(deps.db, accountId);
  const turns = step.is_last ? await listSandbox(deps, accountId) : [];
  // What was due as the clock came here, whatever its books say by now: another caller may be at
  // it, or have died over it. In the end all of them.
  const due = step.ran.flatMap(({ what, id }) =>
    what === providerTurn && id ? [{ ref: id }] : [],
  );
  await hear(deps, [...due, ...turns]);
  if (due.length > 0) await runAccountDue(deps.db, accountId);
  // Time alone brings no quota to its end.
  await raiseAlerts(deps.db, accountId, step.is_last ? undefined : ["balance", "expiring"]);
  if (deps.sandbox) await rescheduleTurns(deps.sandbox, turns);
  return await recordTick(deps.db, accountId, step);
}

/** What falls due in the sandbox's books. */
async function listAlso(deps: ClockDeps, accountId: string): Promise<Ran[]> {
  const turns = await listSandbox(deps, accountId);
  return turns.map(({ ref, at }) => ({
    at: at.toISOString(),
    what: providerTurn,
    id: ref,
  }));
}

async function listSandbox({ db, sandbox }: ClockDeps, accountId: string): Promise<SandboxTurn[]> {
  if (!sandbox) return [];
  return listTurns(sandbox, await listSubscriptionPages(db, accountId, "sandbox"));
}

/** Brings subscriptions at the sandbox to the present, and what it then tells into our books. */
async function hear(deps: ClockDeps, turns: readonly { ref: string }[]): Promise<void> {
  const provider = deps.providers.get("sandbox");
  if (!provider?.settle) return;
  for (const { ref } of turns) {
    // The sandbox knows its subscriptions by their names alone.
    const order = { ref, orderRef: "", kind: "subscription" as const, createdAt: new Date(0) };
    const facts = await provider.settle({ ...order, sent: { amount: 0, currency: "USD" } });
    await applyFacts(deps, provider, facts);
  }
}
