import { refuseUnknown } from "./refusals.ts";

export type Fetch = typeof globalThis.fetch;

export type HttpReply = {
  status: number;
  headers: Headers;
  /** The body as JSON; undefined when it is none, as an error page of a proxy. */
  json: unknown;
};

export type HttpLimits = { fetch: Fetch; timeoutMs: number; maxBytes: number };

/** What an adapter waits for an answer, and reads of it, unless it was made with other limits. */
export const defaultLimits = { timeoutMs: 15_000, maxBytes: 2 * 1024 * 1024 } as const;

/**
 * One request, with a limit on time and on bytes for all of it. Throws provider_unavailable when
 * no whole answer came; what an answer means is for the adapter to say. Redirects are refused:
 * the request carries credentials.
 */
export async function fetchJson(
  limits: HttpLimits,
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string },
): Promise<HttpReply> {
  try {
    const signal = AbortSignal.timeout(limits.timeoutMs);
    const response = await limits.fetch(url, { ...init, signal, redirect: "error" });
    const text = new TextDecoder().decode(await readBounded(response, limits.maxBytes));
    return { status: response.status, headers: response.headers, json: parseJson(text) };
  } catch (error) {
    throw refuseUnknown(error);
  }
}

/** A fetch whose answers are read whole, and are refused when they are over the limit. */
export function boundFetch(fetch: Fetch, maxBytes: number): Fetch {
  return async (input, init) => {
    const response = await fetch(input, { ...init, redirect: "error" });
    const bytes = await readBounded(response, maxBytes);
    const { status, statusText, headers } = response;
    const body = [204, 205, 304].includes(status) ? null : bytes;
    return new Response(body, { status, statusText, headers: withoutEncoding(headers) });
  };
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error("The answer is too large.");
    chunks.push(chunk);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}

/** The bytes were decoded on the way in; a second reader must not try again. */
function withoutEncoding(headers: Headers): Headers {
  const kept = new Headers(headers);
  kept.delete("content-encoding");
  kept.delete("content-length");
  return kept;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
