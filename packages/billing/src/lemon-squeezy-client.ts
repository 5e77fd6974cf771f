import { DomainError } from "@ducat/types/errors";
import { z } from "zod";
import { defaultLimits, type Fetch, fetchJson } from "./fetch-json.ts";
import type { CallOptions, Mode } from "./provider.ts";
import { refuseState, refuseUnknown } from "./refusals.ts";

export type LemonSqueezyOptions = {
  apiKey: string;
  storeId: string;
  /** 6 to 40 characters each (docs.lemonsqueezy.com/help/webhooks); any of them may sign. */
  webhookSecrets: readonly string[];
  /** Ours, for the reference that travels with a checkout: newest first, all verify. */
  referenceSecrets: readonly string[];
  mode: Mode;
  baseUrl?: string;
  fetch?: Fetch;
  timeoutMs?: number;
  maxBytes?: number;
  now?: () => number;
};

/** What of JSON:API is the same for all resources. */
export const Resource = z.looseObject({
  type: z.string(),
  id: z.string(),
  attributes: z.looseObject({}),
});
export type Resource = z.infer<typeof Resource>;

const One = z.looseObject({ data: Resource });
const Many = z.looseObject({ data: z.array(Resource) });

export type LemonSqueezyClient = {
  /** One resource. Throws not_found, invalid_state and provider_unavailable. */
  call(request: Call, options?: CallOptions): Promise<Resource>;
  /** The resources of a list, newest first, page by page, at most `mostPages`. */
  list(
    path: string,
    filter: Record<string, string>,
    options?: CallOptions,
  ): AsyncGenerator<Resource>;
};
type Call = { method: "GET" | "POST" | "PATCH" | "DELETE"; path: string; body?: unknown };

const address = "https://api.lemonsqueezy.com";
const pageSize = 100;
const mostPages = 100;

/**
 * A client of the REST API v1 (docs.lemonsqueezy.com/api). The official SDK has no time-out, keeps
 * one key per process and renames the keys of custom data, so this is our own.
 */
export function connectLemonSqueezy(options: LemonSqueezyOptions): LemonSqueezyClient {
  const { baseUrl = address, apiKey, fetch = globalThis.fetch } = options;
  const { timeoutMs = defaultLimits.timeoutMs, maxBytes = defaultLimits.maxBytes } = options;
  const headers = {
    accept: "application/vnd.api+json",
    "content-type": "application/vnd.api+json",
    authorization: `Bearer ${apiKey}`,
  };
  const ask = async ({ method, path, body }: Call, call?: CallOptions): Promise<unknown> => {
    const limits = { fetch, maxBytes, timeoutMs: call?.timeoutMs ?? timeoutMs };
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    const { status, json } = await fetchJson(limits, `${baseUrl}/v1${path}`, init);
    checkStatus(status, json);
    return json;
  };
  return {
    call: async (request, call) => parse(One, await ask(request, call)).data,
    list: async function* (path, filter, call) {
      for (let page = 1; page <= mostPages; page += 1) {
        const query = new URLSearchParams({
          ...Object.fromEntries(Object.entries(filter).map(([key, v]) => [`filter[${key}]`, v])),
          "page[number]": String(page),
          "page[size]": String(pageSize),
        });
        const { data } = parse(Many, await ask({ method: "GET", path: `${path}?${query}` }, call));
        yield* data;
        if (data.length < pageSize) return;
      }
    },
  };
}

/**
 * What an answer means. 4xx was understood and refused; 429, 5xx, wrong credentials and what is
 * no JSON leave the outcome open.
 */
function checkStatus(status: number, json: unknown): void {
  const cause = new Error(`Lemon Squeezy answered ${status}.`);
  if (status >= 200 && status < 300 && json !== undefined) return;
  if (status === 404) throw new DomainError("not_found", {}, { cause });
  const isRefusal = status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
  throw isRefusal ? refuseState("The payment provider refused this.", cause) : refuseUnknown(cause);
}

/** An answer 200 of another shape is no answer: we don't know what it was about. */
function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw refuseUnknown(parsed.error);
  return parsed.data;
}
