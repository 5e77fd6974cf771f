import type { SandboxKeeper } from "./sandbox-keeper.ts";
import { findNext } from "./sandbox-subscriptions.ts";

/** A subscription in the sandbox's books, and when something happens to it by itself. */
export type SandboxTurn = {
  ref: string;
  at: Date;
  /** It is due, or so soon that asking about it may find it done. */
  isNear: boolean;
};

const nearMs = 60_000;

/** The subscriptions of these pages that still run; a page that nobody paid has none. */
export async function listTurns(
  keeper: SandboxKeeper,
  pages: readonly string[],
): Promise<SandboxTurn[]> {
  const turns: SandboxTurn[] = [];
  for (const page of pages) {
    const one = await keeper.find("subscription", page.replace("pay_", "sub_"));
    if (!one || one.status === "canceled") continue;
    const [at, time] = [findNext(one), await keeper.timeOf(one)];
    turns.push({ ref: one.id, at: new Date(at), isNear: at <= time + nearMs });
  }
  return turns;
}

/** Has the sandbox's own round find these by the clock as it goes now. */
export async function rescheduleTurns(
  keeper: SandboxKeeper,
  turns: readonly SandboxTurn[],
): Promise<void> {
  for (const { ref } of turns) await keeper.change("subscription", ref, () => undefined);
}
