import { setTimeout as sleep } from "node:timers/promises";
import type { Called } from "./call-provider.ts";
import type { Facts } from "./facts.ts";
import { type Context, type Failure, type Outcome, sentMark, type Task } from "./generator.ts";
import { judgeFailure } from "./judge-failure.ts";
import { failWith } from "./provider-failures.ts";

/** What a provider says of a request that it knows. */
export type State =
  | { status: "running"; fraction?: number; text?: string }
  | { status: "done"; result: unknown; facts: Facts }
  | { status: "ended"; failure: Failure }
  /** It did not say, or said that it can't say now. */
  | { status: "unsaid"; away: boolean; retryInMs?: number | undefined }
  /** It says that there is no such request. */
  | { status: "absent" };

/** A provider that takes work into a queue of its own and names it by an id. */
export type QueueApi = {
  /** Sends the work, once. */
  submit(): Promise<Called>;
  readId(json: unknown): unknown;
  ask(id: string): Promise<State>;
  /** `signal` is not the item's: that is aborted by then. */
  cancel(id: string, signal: AbortSignal): Promise<unknown>;
};

export type Pace = {
  /** Between the first two questions; it grows to `mostPollMs`. */
  pollMs: number;
  mostPollMs: number;
  /** Until a question that had no answer is asked again. */
  askAgainMs: number;
};

export const usualPace: Pace = { pollMs: 500, mostPollMs: 5_000, askAgainMs: 5_000 };
/** How often an item is claimed while its result can't be had, until that counts as final. */
export const mostClaims = 8;

type Unfinished = Exclude<Outcome, { status: "completed" }>;
type Done = Extract<State, { status: "done" }>;
const cancelTimeoutMs = 10_000;

export type Following = {
  task: Task;
  context: Context;
  pace: Pace;
  /** How long this attempt waits for the end; the next goes on from there. */
  waitMs: number;
  /** The provider gives its first answer to a repeated key. */
  isIdempotent: boolean;
};

/**
 * Sees a piece of work through: marks the item, submits, keeps the id, asks until it is done. With
 * an id it only asks. The mark without an id means that it may have been submitted: that is sent
 * again only where the provider would know it again.
 */
export async function followRequest(api: QueueApi, following: Following): Promise<Done | Outcome> {
  const { context, task, isIdempotent } = following;
  let id = context.requestId;
  if (id === sentMark && !isIdempotent) return failWith("outcome_unknown");
  if (id === null || id === sentMark) {
    if (id === null) await context.saveRequestId(sentMark);
    const { seen, json } = await api.submit();
    const given = api.readId(json);
    if (!isId(given)) return judgeFailure(seen, { isIdempotent, attempt: task.attempt });
    id = given;
    await context.saveRequestId(id);
  }
  return await waitForEnd(api, id, following);
}

/** What can stand in a path, and be kept. */
const isId = (given: unknown): given is string =>
  typeof given === "string" && /^[\w-]{1,100}$/.test(given);

async function waitForEnd(api: QueueApi, id: string, following: Following) {
  const { context, pace, task, waitMs } = following;
  const { signal } = context;
  const isOverdue = context.deadline.getTime() <= Date.now();
  const until = performance.now() + waitMs;
  try {
    for (let pollMs = pace.pollMs; ; pollMs = Math.min(pollMs * 1.5, pace.mostPollMs)) {
      const state = await api.ask(id);
      if (state.status === "done") return state;
      if (state.status === "ended") return state.failure;
      if (state.status !== "running") return putOff(state, following);
      report(context, task, state);
      if (performance.now() + pollMs > until) return askAgain(pace.askAgainMs);
      await sleep(pollMs, undefined, { signal });
    }
  } catch (error) {
    // Nobody waits for it any longer; before that, late cancels are paid like results.
    if (isOverdue && isDeadline(signal)) {
      await api.cancel(id, AbortSignal.timeout(cancelTimeoutMs)).catch(() => undefined);
    }
    signal.throwIfAborted();
    throw error;
  }
}

function putOff(
  state: Extract<State, { status: "unsaid" | "absent" }>,
  { pace, task }: Following,
): Unfinished {
  if (state.status === "unsaid") {
    return { ...askAgain(state.retryInMs ?? pace.askAgainMs), away: state.away };
  }
  // It may not have heard of it everywhere yet; in the end it was lost, paid or not.
  if (task.attempt < mostClaims) return askAgain(pace.askAgainMs);
  return failWith("outcome_unknown");
}

const askAgain = (askAgainInMs: number) => ({ status: "unknown", askAgainInMs }) as const;

function report({ report: tell }: Context, { style }: Task, state: State): void {
  if (state.status !== "running" || !tell) return;
  const { fraction, text } = state;
  const isText = style.kind === "text" && text !== undefined;
  if (fraction === undefined && !isText) return;
  tell({ ...(fraction !== undefined && { fraction }), ...(isText && { text }) });
}

function isDeadline({ aborted, reason }: AbortSignal): boolean {
  return aborted && (reason as { why?: unknown } | undefined)?.why === "deadline";
}

/** What a question's answer that is no state comes to, by its status alone. */
export function judgeAnswer({ seen }: Called): State {
  const { status, retryInMs } = seen;
  if (status === 404) return { status: "absent" };
  return { status: "unsaid", away: status !== 429, retryInMs };
}
