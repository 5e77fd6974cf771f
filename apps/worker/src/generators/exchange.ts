import type { IncomingMessage } from "node:http";
import { readRetryAfter } from "../retry-after.ts";
import { asObject, type Facts } from "./facts.ts";
import { readLimited, readWhole, sendRequest } from "./send-request.ts";

/** What is known of a request, by which its outcome is judged when it did not go well. */
export type Seen = {
  /** A connection stood, so some of the request may have arrived. Before: certainly nothing. */
  isSent: boolean;
  status?: number;
  retryInMs?: number;
  /** The answer came to its end and is JSON, or a stream of it. */
  isWhole: boolean;
  facts: Facts;
};

export type Exchange = {
  /** For the SDK: one POST, then what its answer names. A second POST might be paid again. */
  fetch: typeof fetch;
  signal: AbortSignal;
  seen: Seen;
  /** Whether the SDK has come so far as to send anything. */
  wasUsed(): boolean;
  close(): void;
};

type ExchangeOptions = {
  /** Of the item: its reason ends everything. */
  signal: AbortSignal;
  /** For all of it, from the first byte to the last. */
  timeoutMs: number;
  maxBytes: number;
  headers: Record<string, string>;
  /** What JSON of the answer, whole or an event of a stream, tells. */
  readFacts(json: unknown): Facts;
  /** Changes the request's JSON before it leaves. */
  rewrite?(body: Record<string, unknown>): Record<string, unknown>;
  /** Fetches a result from the address that an answer names. */
  download(url: string): Promise<Buffer>;
};

/**
 * A request to a provider that knows how far it came: whether it may have arrived, what was
 * answered, whether the answer is whole. Ends in time.
 */
export function createExchange(options: ExchangeOptions): Exchange {
  const seen: Seen = { isSent: false, isWhole: false, facts: {} };
  const ending = new AbortController();
  const stop = () => ending.abort(options.signal.reason);
  options.signal.addEventListener("abort", stop, { once: true });
  if (options.signal.aborted) stop();
  const late = () => ending.abort(new Error("The provider took too long."));
  const timer = setTimeout(late, options.timeoutMs);
  let posts = 0;

  const post = async (url: string, init: RequestInit): Promise<Response> => {
    posts += 1;
    if (posts > 1) throw new Error("a second request of one item");
    const { signal } = ending;
    const raw = await toRaw(url, init, options);
    const answer = await sendRequest(new URL(url), { method: "POST", ...raw, signal }, seen);
    seen.status = answer.statusCode ?? 0;
    const retryInMs = readRetryAfter(answer.headers);
    if (retryInMs !== undefined) seen.retryInMs = retryInMs;
    return await toResponse(answer, { seen, options });
  };
  return {
    seen,
    signal: ending.signal,
    wasUsed: () => posts > 0,
    fetch: async (input, init = {}) => {
      const url = input instanceof Request ? input.url : String(input);
      if (init.method === "POST") return await post(url, init);
      return new Response(new Uint8Array(await options.download(url)));
    },
    close() {
      clearTimeout(timer);
      options.signal.removeEventListener("abort", stop);
      ending.abort(new Error("The exchange is over."));
    },
  };
}

type Raw = { headers: Record<string, string>; body: Buffer };

/** Headers and bytes of what the SDK wants to send; a form gets its boundary here. */
async function toRaw(url: string, init: RequestInit, options: ExchangeOptions): Promise<Raw> {
  const { signal: _, ...rest } = init;
  const request = new Request(url, rest);
  const headers = { ...Object.fromEntries(request.headers), ...options.headers };
  let body = Buffer.from(await request.arrayBuffer());
  if (options.rewrite && typeof init.body === "string") {
    body = Buffer.from(JSON.stringify(options.rewrite(JSON.parse(init.body))));
  }
  return { headers, body };
}

type Reading = { seen: Seen; options: ExchangeOptions };

async function toResponse(answer: IncomingMessage, reading: Reading): Promise<Response> {
  const status = answer.statusCode ?? 0;
  const headers = { "content-type": answer.headers["content-type"] ?? "" };
  const isStream = /^text\/event-stream/.test(headers["content-type"]);
  if (isStream && status === 200) {
    return new Response(ReadableStream.from(passOn(answer, reading)), { status, headers });
  }
  const body = await readWhole(answer, reading.options.maxBytes);
  const json = parseJson(body.toString());
  reading.seen.isWhole = json !== undefined;
  learn(reading, json);
  // Response knows no other statuses, and no body with these.
  const isPlain = status >= 200 && status <= 599 && ![204, 205, 304].includes(status);
  const text = json === undefined ? body : toPlain(json);
  return new Response(isPlain ? text : null, { status: isPlain ? status : 502, headers });
}

/**
 * Hands the events of a stream on, and learns from them on the way. Without a reason why it ended
 * it was cut short, however well-formed the end is.
 */
async function* passOn(answer: IncomingMessage, reading: Reading): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest: string[] = [];
  for await (const chunk of readLimited(answer, reading.options.maxBytes)) {
    const [first = "", ...lines] = decoder.decode(chunk, { stream: true }).split("\n");
    // A long line comes in thousands of pieces: put together once, not with each of them.
    rest.push(first);
    for (const line of lines) {
      yield encoder.encode(readEvent(reading, rest.join("")));
      rest = [line];
    }
  }
  yield encoder.encode(readEvent(reading, rest.join("")));
  reading.seen.isWhole = reading.seen.facts.isFinished === true;
}

function readEvent(reading: Reading, line: string): string {
  if (!line.startsWith("data:")) return "";
  const data = line.slice("data:".length);
  const json = parseJson(data);
  learn(reading, json);
  return `data: ${json === undefined ? data.trim() : toPlain(json)}\n\n`;
}

/** Without what it says of usage: the SDK refuses good work for nonsense in there. */
function toPlain(json: unknown): string {
  if (Array.isArray(json) || typeof json !== "object") return JSON.stringify(json);
  const { usage: _, usageMetadata: __, ...rest } = asObject(json);
  return JSON.stringify(rest);
}

function learn({ seen, options }: Reading, json: unknown): void {
  if (json === undefined) return;
  const { retryInMs, ...facts } = options.readFacts(json);
  Object.assign(seen.facts, facts);
  if (retryInMs !== undefined) seen.retryInMs ??= retryInMs;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
