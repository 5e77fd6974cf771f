import { DucatError, isDucatError } from "./errors.ts";
import { readEvents, type StreamPart } from "./read-events.ts";
import { isPassing, pause } from "./retry.ts";

/** The API says something every 15 seconds. */
const longestSilenceMs = 45_000;
const usualRetryMs = 2_000;
const longestRetryMs = 60_000;
const usualPatienceMs = 10 * 60_000;

export type StreamOptions = {
  /** The `position` of the last event that you have: go on behind it. */
  after?: string | undefined;
  signal?: AbortSignal | undefined;
  account?: string | undefined;
  /** For how long to try while there is no connection; 600,000 if left out. */
  patienceMs?: number | undefined;
};

/** Opens the stream behind a position; undefined when there is nothing more to come. */
export type Connect = (
  after: string | undefined,
  signal: AbortSignal,
) => Promise<ReadableStream<Uint8Array> | undefined>;

export type RawEvent = { position: string; type: string; data: unknown };

/**
 * The events of a stream, over as many connections as it takes: whenever one ends, breaks or falls
 * silent, the next goes on behind the last event that was handed out. Nothing is read before it is
 * asked for. Errors: DucatError that doesn't pass, or when there was no connection for too long.
 */
export async function* followStream(
  connect: Connect,
  { after, signal, patienceMs = usualPatienceMs }: StreamOptions,
): AsyncGenerator<RawEvent, void> {
  let position = after;
  let retryMs = usualRetryMs;
  let aliveAt = Date.now();
  const isPatient = () => Date.now() - aliveAt <= patienceMs;
  for (;;) {
    let leastMs = 0;
    const ending = new AbortController();
    const end = () => ending.abort(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", end, { once: true });
    try {
      const body = await connect(position, ending.signal);
      if (!body) return;
      for await (const part of readUntilSilent(body, ending)) {
        aliveAt = Date.now();
        if (part.kind === "retry") retryMs = Math.min(part.ms, longestRetryMs);
        if (part.kind !== "event") continue;
        position = part.id ?? position;
        yield { position: position ?? "", type: part.type, data: JSON.parse(part.data) };
        // It may have been read for long; that is no silence.
        aliveAt = Date.now();
        signal?.throwIfAborted();
      }
      if (!isPatient()) {
        throw new DucatError("connection_failed", { message: "The stream says nothing." });
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!isBreak(error) || !isPatient()) throw error;
      if (isDucatError(error)) leastMs = (error.retryAfterS ?? 0) * 1_000;
    } finally {
      signal?.removeEventListener("abort", end);
      ending.abort();
    }
    await pause(Math.min(leastMs, patienceMs) + Math.random() * retryMs, signal);
  }
}

/** What a connection does, as against what we can't read. */
function isBreak(error: unknown): boolean {
  if (isDucatError(error)) return isPassing(error);
  return !(error instanceof RangeError || error instanceof SyntaxError);
}

/** Hangs up when nothing comes for too long while somebody waits for it. */
async function* readUntilSilent(
  body: ReadableStream<Uint8Array>,
  ending: AbortController,
): AsyncGenerator<StreamPart, void> {
  const parts = readEvents(body);
  try {
    for (;;) {
      const timer = setTimeout(() => ending.abort(), longestSilenceMs);
      const { done, value } = await parts.next().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await parts.return(undefined).catch(() => undefined);
  }
}
