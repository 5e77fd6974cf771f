import { DucatError } from "./errors.ts";
import type { Caller } from "./operations.ts";
import { longestTimerMs, pause } from "./retry.ts";
import type { RequestOptions } from "./transport.ts";
import type { Generation } from "./types.ts";

const defaultWaitMs = 15 * 60_000;
const firstPauseMs = 500;
const longestPauseMs = 5_000;
const longestLastLookMs = 5_000;
/** The API would wait for a minute, but some proxies cut off after half of that. */
const longestAnswerS = 25;
const defaultTimeoutMs = 30_000;

export type WaitOptions = RequestOptions & {
  /** Until it has ended; 900,000 if left out. `timeoutMs` is for each request on the way. */
  waitMs?: number | undefined;
};

const hasEnded = ({ status }: Generation) => status !== "pending" && status !== "processing";

/**
 * Looks again and again, less often as time goes by. What hangs on the way doesn't make it later
 * than five seconds. Errors: not_found, timed_out.
 */
export async function waitForEnd(
  caller: Caller,
  id: string,
  { waitMs = defaultWaitMs, signal, ...options }: WaitOptions,
): Promise<Generation> {
  const message = `Generation ${id} has not ended within ${waitMs} ms; it goes on.`;
  const late = new DucatError("timed_out", { message, problem: { generation_id: id } });
  const ending = new AbortController();
  const end = () => ending.abort(signal?.reason);
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end, { once: true });
  const timer = setTimeout(
    () => ending.abort(late),
    Math.min(waitMs + longestLastLookMs, longestTimerMs),
  );
  try {
    return await lookUntil(caller, id, { ...options, signal: ending.signal, waitMs, late });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

type Looking = RequestOptions & { waitMs: number; late: DucatError };

async function lookUntil(
  { request }: Caller,
  id: string,
  { waitMs, late, ...options }: Looking,
): Promise<Generation> {
  const until = Date.now() + waitMs;
  for (let ms = firstPauseMs; ; ms = Math.min(ms * 1.5, longestPauseMs)) {
    const generation = await request("GET /v1/generations/{id}", { ...options, path: { id } });
    if (hasEnded(generation)) return generation;
    const left = until - Date.now();
    if (left <= 0) throw late;
    await pause(Math.min(ms, left), options.signal);
  }
}

type Ask = (options: RequestOptions) => Promise<Generation>;

/** Asks for a generation, lets the API wait for its end, and then looks itself. */
export async function askAndWait(
  caller: Caller,
  ask: Ask,
  { waitMs = defaultWaitMs, ...options }: WaitOptions,
): Promise<Generation> {
  const started = Date.now();
  const seconds = Math.min(longestAnswerS, Math.ceil(waitMs / 1_000));
  const made = await ask({
    ...options,
    headers: { ...options.headers, prefer: `wait=${seconds}` },
    timeoutMs: (options.timeoutMs ?? defaultTimeoutMs) + seconds * 1_000,
  });
  if (hasEnded(made)) return made;
  const left = Math.max(0, waitMs - (Date.now() - started));
  return await waitForEnd(caller, made.id, { ...options, waitMs: left });
}
