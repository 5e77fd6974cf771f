import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { LookupFunction } from "node:net";
import {
  type AskRules,
  isAllowedHost,
  mayBeAsked,
  parseOutgoingUrl,
} from "@ducat/egress/outgoing-url";
import { createPublicAgent, wasRefused } from "@ducat/egress/public-agent";
import { readRetryAfter } from "../retry-after.ts";
import { signWebhook } from "./sign-webhook.ts";

/** Read so that a receiver can end its answer in peace; nothing of it is looked at. */
const maxAnswerBytes = 64 * 1024;
const maxAnswerMs = 1_000;

export type WebhookMessage = {
  url: string;
  /** Stays the same over all attempts, so that a receiver knows what it has. */
  id: string;
  body: string;
  secrets: readonly string[];
};

/** How an attempt ended. `error` is one of a few words of ours, never a receiver's. */
export type WebhookResult = {
  ok: boolean;
  status?: number;
  ms: number;
  error?: "blocked" | "name" | "tls" | "timeout" | "network" | "redirect" | "status";
  /** The receiver wants nothing more, ever. */
  gone?: boolean;
  /** The receiver wants to be left alone for so long; at most an hour. */
  retryAfterS?: number;
};

export type SendWebhook = (
  message: WebhookMessage,
  options?: { signal?: AbortSignal },
) => Promise<WebhookResult>;

type Options = AskRules & {
  /** For all of it: name, connection, TLS, request and the head of the answer. */
  timeoutMs?: number;
  /** Where names are looked up, so that tests reach the checks. */
  lookup?: LookupFunction;
  now?: () => Date;
};

/**
 * Sends one signed POST to an address that a stranger named, once: only https on port 443 of public
 * addresses, judged at the connection; no redirect is followed, no connection is kept. What counts
 * is the status alone: any 2xx. Resolves whatever the receiver does; rejects only with the
 * reason of the caller's signal, and when the message can't be signed.
 */
export function createWebhookSender(options: Options = {}): SendWebhook {
  const { timeoutMs = 15_000, now = () => new Date(), allowHosts } = options;
  const filtering = createPublicAgent(options.lookup);

  return async ({ url: text, ...message }, { signal } = {}) => {
    const url = parseOutgoingUrl(text);
    const headers = { ...fixedHeaders(message.body), ...signWebhook(message, now()) };
    signal?.throwIfAborted();
    if (!url || !mayBeAsked(url, options)) return { ok: false, ms: 0, error: "blocked" };
    const agent = isAllowedHost(url, allowHosts) ? false : filtering;
    const open = url.protocol === "https:" ? https.request : http.request;
    const startedAt = performance.now();
    const elapsed = () => Math.round(performance.now() - startedAt);
    const request = open(url, { method: "POST", agent, headers });
    const limit = limitTime(request, timeoutMs, signal);
    try {
      const answer = await hearAnswer(request, message.body);
      void endAnswer(answer).finally(() => request.destroy());
      return { ...judge(answer), ms: elapsed() };
    } catch (error) {
      request.destroy();
      signal?.throwIfAborted();
      return { ok: false, ms: elapsed(), error: limit.isOver() ? "timeout" : nameFault(error) };
    } finally {
      limit.end();
    }
  };
}

function fixedHeaders(body: string) {
  return {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "accept-encoding": "identity",
    "user-agent": "Ducat",
  };
}

/** Ends the request when its time is over or the caller asks for it, and not after `end`. */
function limitTime(request: ClientRequest, timeoutMs: number, signal?: AbortSignal) {
  let over = false;
  const stop = () => void request.destroy(new Error("stopped"));
  const timer = setTimeout(() => {
    over = true;
    stop();
  }, timeoutMs);
  signal?.addEventListener("abort", stop, { once: true });
  return {
    isOver: () => over,
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    },
  };
}

/** The head of the answer. Rejects when there is none, whatever the connection came to instead. */
function hearAnswer(request: ClientRequest, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    // Stays for as long as the request: a fault after the answer would end the process otherwise.
    request.on("error", reject);
    // After an answer 101 there is neither an answer nor a fault.
    request.once("close", () => reject(new Error("closed")));
    request.end(body);
  });
}

async function endAnswer(answer: IncomingMessage): Promise<void> {
  // Without a listener a fault that comes after the last read would end the process.
  answer.on("error", () => undefined);
  const timer = setTimeout(() => answer.destroy(), maxAnswerMs);
  let bytes = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) break;
    }
  } catch {
    // The status is known; how the rest breaks off is nobody's matter.
  } finally {
    clearTimeout(timer);
  }
}

function judge({ statusCode: status = 0, headers }: IncomingMessage): Omit<WebhookResult, "ms"> {
  if (status >= 200 && status < 300) return { ok: true, status };
  if (status >= 300 && status < 400) return { ok: false, status, error: "redirect" };
  const asksForRest = status === 429 || status === 503;
  const restMs = asksForRest ? readRetryAfter(headers) : undefined;
  return {
    ...{ ok: false, status, error: "status" },
    ...(status === 410 ? { gone: true } : {}),
    ...(restMs === undefined ? {} : { retryAfterS: Math.ceil(restMs / 1_000) }),
  };
}

function nameFault(error: unknown): NonNullable<WebhookResult["error"]> {
  if (wasRefused(error)) return "blocked";
  const { code = "", syscall = "" } = error as NodeJS.ErrnoException;
  if (/^(query|getaddrinfo)/.test(syscall)) return "name";
  // What OpenSSL says of handshakes and what Node says of certificates (nodejs.org/api/tls.html).
  const isTls = /^ERR_(TLS|SSL)_|CERT|^UNABLE_TO_|^EPROTO$|^HOSTNAME_MISMATCH$|_CHAIN/.test(code);
  return isTls ? "tls" : "network";
}
