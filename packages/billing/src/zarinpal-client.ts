import type { DomainError } from "@ducat/types/errors";
import { defaultLimits, type Fetch, fetchJson, type HttpLimits } from "./fetch-json.ts";
import type { CallOptions, Mode } from "./provider.ts";
import { refuseState, refuseUnknown } from "./refusals.ts";
import { type Envelope, readEnvelope } from "./zarinpal-envelope.ts";

export type ZarinpalOptions = {
  /** 36 characters; it is the whole credential, so it never leaves the server. */
  merchantId: string;
  /** The panel's token: without it there are no refunds but those within half an hour. */
  accessToken?: string;
  mode: Mode;
  baseUrl?: string;
  fetch?: Fetch;
  timeoutMs?: number;
  maxBytes?: number;
  now?: () => number;
};

export type ZarinpalClient = {
  /** Where customers pay, and all calls go. */
  host: string;
  /** POST /pg/v4/payment/<call>.json. Throws provider_unavailable where the outcome is unknown. */
  post(
    call: "request" | "verify" | "inquiry" | "unVerified" | "reverse",
    body: Record<string, unknown>,
    options?: CallOptions,
  ): Promise<Envelope>;
  /** The panel's GraphQL: the data, or undefined where it refused. */
  graphql(
    query: string,
    variables: Record<string, unknown>,
    options?: CallOptions,
  ): Promise<Record<string, unknown> | undefined>;
};

const hosts = { live: "https://payment.zarinpal.com", test: "https://sandbox.zarinpal.com" };
const panel = "https://next.zarinpal.com";

/** A client of REST v4 and of the panel's GraphQL (zarinpal.com/docs, github.com/ZarinPal SDKs). */
export function connectZarinpal(options: ZarinpalOptions): ZarinpalClient {
  if (!/^[0-9a-f-]{36}$/.test(options.merchantId)) {
    throw new Error("The ZarinPal merchant id is 36 characters of lower-case hex and dashes.");
  }
  const { mode, merchantId, baseUrl, accessToken } = options;
  const host = baseUrl ?? hosts[mode];
  const limits = (call?: CallOptions): HttpLimits => ({
    fetch: options.fetch ?? globalThis.fetch,
    maxBytes: options.maxBytes ?? defaultLimits.maxBytes,
    timeoutMs: call?.timeoutMs ?? options.timeoutMs ?? defaultLimits.timeoutMs,
  });
  const headers = { accept: "application/json", "content-type": "application/json" };
  return {
    host,
    post: async (name, body, call) => {
      const url = `${host}/pg/v4/payment/${name}.json`;
      const text = JSON.stringify({ merchant_id: merchantId, ...body });
      const reply = await fetchJson(limits(call), url, { method: "POST", headers, body: text });
      const envelope = readEnvelope(reply.json);
      if (!envelope) throw refuseUnknown(new Error(`ZarinPal answered ${reply.status}.`));
      return envelope;
    },
    graphql: async (query, variables, call) => {
      const reply = await fetchJson(limits(call), `${baseUrl ?? panel}/api/v4/graphql/`, {
        method: "POST",
        headers: { ...headers, authorization: `Bearer ${accessToken}` },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (reply.json ?? {}) as { data?: unknown; errors?: unknown };
      if (errors !== undefined && errors !== null) return undefined;
      if (typeof data !== "object" || data === null) {
        throw refuseUnknown(new Error(`ZarinPal's panel answered ${reply.status}.`));
      }
      return data as Record<string, unknown>;
    },
  };
}

/** May pass by itself: too many attempts, and "contact support" that comes and goes. */
const passing = [-12, -52];

/** A code that is no success and has no meaning of its own where it came (error list, v4). */
export function refuseCode(code: number): DomainError {
  const cause = new Error(`ZarinPal answered with code ${code}.`);
  if (passing.includes(code)) return refuseUnknown(cause);
  return refuseState("The payment provider refused this.", cause);
}
