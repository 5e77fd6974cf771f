import type { IncomingHttpHeaders } from "node:http";
import { readRetryAfter } from "../retry-after.ts";
import type { Seen } from "./exchange.ts";
import { readWhole, sendRequest } from "./send-request.ts";

export type Call = {
  method?: "GET" | "POST" | "PUT";
  headers?: Record<string, string>;
  body?: Buffer;
  /** Its reason ends the call, and is what is thrown then. */
  signal: AbortSignal;
  timeoutMs: number;
  maxBytes: number;
};

/** What came of a call; `json` is undefined when no whole JSON arrived. */
export type Called = { seen: Seen; headers: IncomingHttpHeaders; body: Buffer; json: unknown };

/**
 * Calls a provider once and tells how far that came. Ends in time. Throws only the reason of
 * `signal`; addresses, which may hold a key, are in no error.
 */
export async function callProvider(url: URL, call: Call): Promise<Called> {
  const seen: Seen = { isSent: false, isWhole: false, facts: {} };
  const called: Called = { seen, headers: {}, body: Buffer.alloc(0), json: undefined };
  const ending = new AbortController();
  const stop = () => ending.abort();
  call.signal.addEventListener("abort", stop, { once: true });
  if (call.signal.aborted) stop();
  const timer = setTimeout(stop, call.timeoutMs);
  try {
    const { method = "GET", headers = {}, body } = call;
    const answer = await sendRequest(url, { method, headers, body, signal: ending.signal }, seen);
    seen.status = answer.statusCode ?? 0;
    called.headers = answer.headers;
    const retryInMs = readRetryAfter(answer.headers);
    if (retryInMs !== undefined) seen.retryInMs = retryInMs;
    called.body = await readWhole(answer, call.maxBytes);
    called.json = parseJson(called.body);
    seen.isWhole = called.json !== undefined;
  } catch {
    // How far it came is all that counts.
    call.signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", stop);
    stop();
  }
  return called;
}

/** The call's answer for a client that knows only fetch. Throws when there was none. */
export function toResponse({ seen, headers, body }: Called): Response {
  const { status = 0 } = seen;
  // Response knows no other statuses, and no body with these.
  const isPlain = status >= 200 && status <= 599 && ![204, 205, 304].includes(status);
  if (!isPlain) throw new Error("The provider did not answer.");
  const type = headers["content-type"] ?? "application/json";
  return new Response(new Uint8Array(body), { status, headers: { "content-type": type } });
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}
