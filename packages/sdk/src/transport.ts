import { type Credentials, createBearer } from "./credentials.ts";
import { DucatError, isDucatError, readError } from "./errors.ts";
import { holdBody } from "./hold-body.ts";
import { type Prepared, prepareRequest } from "./prepare-request.ts";
import { isPassing, longestTimerMs, pause, pauseBefore, untilAborted } from "./retry.ts";

const defaultTimeoutMs = 30_000;
const defaultRetries = 3;
const mostRetries = 10;

export type TransportOptions = Credentials & {
  /** Where the API is, for example https://api.example.com. */
  baseUrl: string;
  /** The account that a server acts for: its id or external id. */
  account?: string | undefined;
  /** Instead of the global one. */
  fetch?: typeof globalThis.fetch | undefined;
  /** For one attempt, its answer included; 30,000 if left out. */
  timeoutMs?: number | undefined;
  /** After the first attempt; 3 if left out, 10 at most. */
  maxRetries?: number | undefined;
};

/** What any request may say. */
export type RequestOptions = {
  /** Instead of the client's. */
  account?: string | undefined;
  /** Your own name for what is to be done once; one is made for each call if left out. */
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  maxRetries?: number | undefined;
  headers?: Record<string, string> | undefined;
};

export type Call = RequestOptions & {
  method: string;
  /** From the root, with its values in place. */
  path: string;
  query?: object | undefined;
  body?: unknown;
  /** It takes an Idempotency-Key, or else doing it twice does no harm. */
  isKeyed?: boolean | undefined;
  isRepeatable?: boolean | undefined;
  /** It deletes and answers nothing: when it is not there any more, it is done. */
  isSilent?: boolean | undefined;
  /** Its answer is text and not JSON. */
  isText?: boolean | undefined;
};

export type Transport = {
  /** The answer's JSON or text; undefined when it has none. Errors: DucatError. */
  request(call: Call): Promise<unknown>;
  /** The answer with its body unread, for files and streams; the time-out is for its beginning. */
  open(call: Call): Promise<Response>;
};

/**
 * Sends requests, and sends again what may be sent again: what got no answer or one that passes, as
 * long as doing it twice is impossible (a key) or harmless (GET, PUT, DELETE). What one call sends
 * carries one key, however often it is sent.
 */
export function createTransport(options: TransportOptions): Transport {
  const bearer = createBearer(options);

  async function attempt<T>(call: Call, prepared: Prepared, read: Read<T>): Promise<T> {
    const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? defaultTimeoutMs;
    const ending = new AbortController();
    const end = () => ending.abort(call.signal?.reason);
    const release = () => call.signal?.removeEventListener("abort", end);
    call.signal?.throwIfAborted();
    call.signal?.addEventListener("abort", end, { once: true });
    let isLate = false;
    let isHeld = false;
    // What is read later ends with the caller's signal all the same.
    const hold = (response: Response) => {
      if (!call.signal) return response;
      isHeld = true;
      return holdBody(response, release);
    };
    const timeout = setTimeout(
      () => {
        isLate = true;
        end();
      },
      Math.min(timeoutMs, longestTimerMs),
    );
    try {
      return await read(await exchange(prepared, ending.signal), call, hold);
    } catch (error) {
      call.signal?.throwIfAborted();
      throw toError(error, isLate ? timeoutMs : undefined);
    } finally {
      clearTimeout(timeout);
      if (!isHeld) release();
    }
  }

  async function exchange({ url, ...init }: Prepared, signal: AbortSignal): Promise<Response> {
    const { fetch = globalThis.fetch } = options;
    // A key must not follow to somewhere else.
    const response = await fetch(url, { ...init, redirect: "error", signal });
    if (!response.ok) throw await readError(response);
    return response;
  }

  /** With the bearer's token; with another one when that is refused, which did nothing. */
  async function authorize<T>(call: Call, prepared: Prepared, read: Read<T>): Promise<T> {
    for (let isRenewed = false; ; isRenewed = true) {
      const token = await untilAborted(bearer.get(), call.signal);
      const headers = new Headers(prepared.headers);
      headers.set("authorization", `Bearer ${token}`);
      try {
        return await attempt(call, { ...prepared, headers }, read);
      } catch (error) {
        const isRefused = isDucatError(error, "unauthenticated");
        if (!isRefused || isRenewed || !bearer.renew(token)) throw error;
      }
    }
  }

  async function send<T>(call: Call, read: Read<T>): Promise<T> {
    const prepared = prepareRequest(call, options);
    const retries = Math.min(call.maxRetries ?? options.maxRetries ?? defaultRetries, mostRetries);
    const mayRepeat = call.isKeyed || call.isRepeatable || isHarmless(call.method);
    let isUnknown = false;
    for (let count = 0; ; count++) {
      try {
        return await authorize(call, prepared, read);
      } catch (error) {
        if (!isDucatError(error)) throw error;
        // The attempt whose answer was lost did it.
        if (isUnknown && call.isSilent && isDucatError(error, "not_found")) return undefined as T;
        const ms = mayRepeat && isPassing(error) ? pauseBefore(count, error) : undefined;
        if (count >= retries || ms === undefined) throw error;
        isUnknown ||= error.status === 0 || error.status >= 500;
        await pause(ms, call.signal);
      }
    }
  }

  return { request: (call) => send(call, readBody), open: (call) => send(call, keepOpen) };
}

/** `hold` keeps the caller's signal listened to until the body of an answer has been read. */
type Read<T> = (
  response: Response,
  call: Call,
  hold: (response: Response) => Response,
) => Promise<T>;

const keepOpen: Read<Response> = async (response, _call, hold) => hold(response);

function toError(error: unknown, timeoutMs: number | undefined): DucatError {
  if (isDucatError(error)) return error;
  const cause = { cause: error };
  if (timeoutMs === undefined) {
    return new DucatError("connection_failed", { message: "The connection failed." }, cause);
  }
  return new DucatError("timed_out", { message: `No answer within ${timeoutMs} ms.` }, cause);
}

const isHarmless = (method: string) => ["GET", "HEAD", "PUT", "DELETE"].includes(method);

async function readBody(response: Response, call: Call): Promise<unknown> {
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  if (type.includes("json")) return readJson(text);
  if (text === "") return undefined;
  if (call.isText || new Headers(call.headers).has("accept")) return text;
  const { status } = response;
  const message = `The server answered ${status} with something else than JSON.`;
  throw new DucatError("unexpected_answer", { message, status });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Cut off: as good as no answer. What JSON says of it may have a part of a secret in it.
    throw new TypeError("The answer is not whole.");
  }
}
