import { type Credentials, createBearer } from "./credentials.ts";
import { DucatError, isDucatError, readError } from "./errors.ts";
import { isPassing, pause, pauseBefore } from "./retry.ts";

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

  async function attempt<T>(call: Call, read: Read<T>): Promise<T> {
    const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? defaultTimeoutMs;
    const ending = new AbortController();
    const end = () => ending.abort();
    call.signal?.throwIfAborted();
    call.signal?.addEventListener("abort", end, { once: true });
    let isLate = false;
    const timeout = setTimeout(() => {
      isLate = true;
      end();
    }, timeoutMs);
    try {
      return await exchange(call, { read, signal: ending.signal });
    } catch (error) {
      call.signal?.throwIfAborted();
      throw toError(error, isLate ? timeoutMs : undefined);
    } finally {
      clearTimeout(timeout);
      // What is read later ends with the caller's signal all the same.
      if (read !== keepOpen) call.signal?.removeEventListener("abort", end);
    }
  }

  async function exchange<T>(call: Call, how: { read: Read<T>; signal: AbortSignal }): Promise<T> {
    const { fetch = globalThis.fetch } = options;
    const { body, type } = encodeBody(call);
    const account = call.account ?? options.account;
    const response = await fetch(makeUrl(options.baseUrl, call), {
      method: call.method,
      headers: {
        ...(type !== undefined && { "content-type": type }),
        ...(account !== undefined && { "ducat-account": account }),
        ...call.headers,
      },
      ...(body !== undefined && { body }),
      // A key must not follow to somewhere else.
      redirect: "error",
      signal: how.signal,
    });
    if (!response.ok) throw await readError(response);
    return await how.read(response);
  }

  /** With the bearer's token; with another one when that is refused, which did nothing. */
  async function authorize<T>(call: Call, read: Read<T>): Promise<T> {
    for (let isRenewed = false; ; isRenewed = true) {
      const token = await bearer.get();
      const headers = { ...call.headers, authorization: `Bearer ${token}` };
      try {
        return await attempt({ ...call, headers }, read);
      } catch (error) {
        const isRefused = isDucatError(error, "unauthenticated");
        if (!isRefused || isRenewed || !bearer.renew(token)) throw error;
      }
    }
  }

  async function send<T>(given: Call, read: Read<T>): Promise<T> {
    const call = withKey(given);
    const retries = Math.min(call.maxRetries ?? options.maxRetries ?? defaultRetries, mostRetries);
    const mayRepeat = call.isKeyed || call.isRepeatable || isHarmless(call.method);
    let isUnknown = false;
    for (let count = 0; ; count++) {
      try {
        return await authorize(call, read);
      } catch (error) {
        if (!isDucatError(error)) throw error;
        // The attempt whose answer was lost did it.
        const isGone = call.method === "DELETE" && error.status === 404;
        if (isUnknown && isGone) return undefined as T;
        const ms = mayRepeat && isPassing(error) ? pauseBefore(count, error) : undefined;
        if (count >= retries || ms === undefined) throw error;
        isUnknown ||= error.status === 0 || error.status >= 500;
        await pause(ms, call.signal);
      }
    }
  }

  return { request: (call) => send(call, readBody), open: (call) => send(call, keepOpen) };
}

type Read<T> = (response: Response) => Promise<T>;

const keepOpen = async (response: Response): Promise<Response> => response;

function toError(error: unknown, timeoutMs: number | undefined): DucatError {
  if (isDucatError(error)) return error;
  const cause = { cause: error };
  if (timeoutMs === undefined) {
    return new DucatError("connection_failed", { message: "The connection failed." }, cause);
  }
  return new DucatError("timed_out", { message: `No answer within ${timeoutMs} ms.` }, cause);
}

/** One key for all attempts of one call. */
function withKey(call: Call): Call {
  if (!call.isKeyed) return call;
  const key = call.idempotencyKey ?? makeKey();
  return { ...call, headers: { ...call.headers, "idempotency-key": key } };
}

const isHarmless = (method: string) => ["GET", "HEAD", "PUT", "DELETE"].includes(method);

/** 128 random bits; randomUUID is missing on pages without TLS. */
function makeKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function makeUrl(baseUrl: string, { path, query = {} }: Call): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const start = `${baseUrl.replace(/\/+$/, "")}${path}`;
  const text = search.toString();
  return text === "" ? start : `${start}?${text}`;
}

function encodeBody({ body }: Call): { body?: string | FormData; type?: string } {
  if (body === undefined) return {};
  // Its boundary is fetch's to choose.
  if (body instanceof FormData) return { body };
  if (typeof body === "string") return { body, type: "text/csv" };
  return { body: JSON.stringify(body), type: "application/json" };
}

async function readBody(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return undefined;
  if (!(response.headers.get("content-type") ?? "").includes("json")) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    // Cut off: as good as no answer.
    throw new TypeError("The answer is not whole.", { cause: error });
  }
}
