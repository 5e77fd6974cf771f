import type { Call } from "./transport.ts";

/** What is sent, the same at each attempt. */
export type Prepared = { url: string; method: string; headers: Headers; body?: string | FormData };

/**
 * Makes the request of a call once, so that what it was made of may change meanwhile. Throws what
 * JSON or fetch's headers throw at what can't be sent.
 */
export function prepareRequest(call: Call, { baseUrl, account }: Place): Prepared {
  const { body, type } = encodeBody(call);
  const headers = new Headers(call.headers);
  const named = call.account ?? account;
  const given = { "content-type": type, "ducat-account": named };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !headers.has(name)) headers.set(name, value);
  }
  // One key for all attempts of one call.
  if (call.isKeyed) {
    const key = call.idempotencyKey ?? headers.get("idempotency-key") ?? makeKey();
    headers.set("idempotency-key", key);
  }
  const url = makeUrl(baseUrl, call);
  return { url, method: call.method, headers, ...(body !== undefined && { body }) };
}

type Place = { baseUrl: string; account?: string | undefined };

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
