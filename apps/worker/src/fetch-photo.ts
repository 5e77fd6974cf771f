import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import type { LookupFunction } from "node:net";
import { isAllowedHost, mayBeAsked, parseOutgoingUrl } from "@ducat/egress/outgoing-url";
import { createPublicAgent, wasRefused } from "@ducat/egress/public-agent";

const headers = {
  accept: "image/webp,image/png,image/jpeg",
  "accept-encoding": "identity",
  "user-agent": "Ducat",
};
const redirects = new Set([301, 302, 303, 307, 308]);
/** Stores often serve a picture as plain bytes; the decoder judges what it is in the end. */
const acceptedTypes = new Set([
  "",
  "image/jpeg",
  "image/jpg",
  "image/png",
  "image/webp",
  "application/octet-stream",
  "binary/octet-stream",
]);

/** A name that does not exist or a broken certificate won't be better in a minute; these may. */
const passingFaults = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
]);

export type UnreachableReason =
  | "blocked"
  | "status"
  | "redirects"
  | "type"
  | "too_large"
  | "timeout"
  | "network";

/** A photo that can't be had. `reason` is for the log; nothing of the answer is in the message. */
export class PhotoUnreachable extends Error {
  readonly code = "photo_unreachable";
  readonly reason: UnreachableReason;
  readonly retryable: boolean;

  constructor(reason: UnreachableReason, retryable: boolean, options?: ErrorOptions) {
    super(sentences[reason], options);
    this.name = "PhotoUnreachable";
    this.reason = reason;
    this.retryable = retryable;
  }
}

const sentences: Record<UnreachableReason, string> = {
  blocked: "The photo's address is not one that may be fetched.",
  status: "The photo's server did not answer with a photo.",
  redirects: "The photo's address leads on too often.",
  type: "The photo's address does not hold a JPEG, PNG or WebP picture.",
  too_large: "The photo is too large.",
  timeout: "The photo's server took too long.",
  network: "The photo's server could not be reached.",
};

export type FetchPhoto = (url: string, options?: { signal?: AbortSignal }) => Promise<Buffer>;

type Options = {
  /** Exact `host:port` pairs that may be anything, also plain http on this machine: tests only. */
  allowHosts?: readonly string[];
  maxBytes?: number;
  /** For all of it: every redirect and the whole body. */
  timeoutMs?: number;
  maxRedirects?: number;
  /** Where names are looked up, and the one port that is asked: so that tests reach the checks. */
  lookup?: LookupFunction;
  httpsPort?: number;
};

/**
 * Fetches photos that strangers name. Only https on port 443 of public addresses: the agent checks
 * the literal or resolved address of each connection it opens, on each redirect again, and every
 * address of a name must be public. Throws PhotoUnreachable, or the reason of the caller's signal.
 */
export function createPhotoFetcher(options: Options = {}): FetchPhoto {
  const { maxBytes = 15 * 1024 * 1024, timeoutMs = 20_000, maxRedirects = 3 } = options;
  const { allowHosts = [], httpsPort = 443, lookup } = options;
  const filtering = createPublicAgent(lookup);

  function open(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    if (!mayBeAsked(url, { allowHosts, httpsPort })) throw new PhotoUnreachable("blocked", false);
    const agent = isAllowedHost(url, allowHosts) ? false : filtering;
    const { get } = url.protocol === "https:" ? https : http;
    return new Promise((resolve, reject) => {
      const request = get(url, { agent, signal, headers });
      request.once("response", resolve).on("error", reject);
      // After an answer 101 there is neither an answer nor a fault.
      request.once("close", () => reject(new Error("closed")));
    });
  }

  async function fetchHops(first: string, signal: AbortSignal): Promise<Buffer> {
    let url = parseUrl(first);
    for (let hop = 0; hop <= maxRedirects; hop += 1) {
      const answer = await open(url, signal);
      // Without a listener a fault that comes after the last read would end the process.
      answer.on("error", () => {});
      try {
        const location = redirects.has(answer.statusCode ?? 0) && answer.headers.location;
        if (!location) return await readBody(answer, maxBytes);
        url = parseUrl(location, url);
      } finally {
        answer.destroy();
      }
    }
    throw new PhotoUnreachable("redirects", false);
  }

  return async (url, { signal: stop } = {}) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      return await fetchHops(url, stop ? AbortSignal.any([timeout, stop]) : timeout);
    } catch (error) {
      stop?.throwIfAborted();
      throw toUnreachable(error, timeout);
    }
  };
}

function parseUrl(text: string, base?: URL): URL {
  const url = parseOutgoingUrl(text, base);
  if (!url) throw new PhotoUnreachable("blocked", false);
  return url;
}

async function readBody(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const status = answer.statusCode ?? 0;
  if (status !== 200) throw new PhotoUnreachable("status", isPassing(status));
  const type = answer.headers["content-type"]?.split(";")[0]?.trim().toLowerCase() ?? "";
  const encoding = answer.headers["content-encoding"] ?? "identity";
  if (!acceptedTypes.has(type) || encoding !== "identity")
    throw new PhotoUnreachable("type", false);
  if (Number(answer.headers["content-length"] ?? 0) > maxBytes) {
    throw new PhotoUnreachable("too_large", false);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new PhotoUnreachable("too_large", false);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Worth asking again later: the server's own faults, time-outs and rate limits. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** What a failed fetch was, from the error that ended it and the time-out that it ran under. */
function toUnreachable(error: unknown, timeout: AbortSignal): PhotoUnreachable {
  if (error instanceof PhotoUnreachable) return error;
  if (timeout.aborted) return new PhotoUnreachable("timeout", true, { cause: error });
  if (wasRefused(error)) return new PhotoUnreachable("blocked", false, { cause: error });
  const { code = "" } = error as NodeJS.ErrnoException;
  return new PhotoUnreachable("network", passingFaults.has(code), { cause: error });
}
