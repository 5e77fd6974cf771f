import { createFal } from "@ai-sdk/fal";
import { generateImage } from "ai";
import { type Called, callProvider } from "./call-provider.ts";
import { asList, asObject, type Facts } from "./facts.ts";
import { followRequest, judgeAnswer, type Pace, type State, usualPace } from "./follow-request.ts";
import { type Context, type Generator, type Outcome, sentMark } from "./generator.ts";
import { type Asking, createModelGenerator } from "./model-generator.ts";
import { toImagePrompt } from "./model-prompt.ts";
import { failWith } from "./provider-failures.ts";
import { readFraction } from "./read-fraction.ts";
import { renderPrompt } from "./render-prompt.ts";
import {
  defaultAnswerBytes,
  defaultTimeoutS,
  type ModelDeps,
  type ModelEndpoint,
} from "./run-once.ts";
import { completePicture, fetchResult } from "./take-result.ts";

const falUrl = "https://queue.fal.run";
const callTimeoutMs = 30_000;
/** Of a log, its last lines. */
const mostLogs = 100;
const modelIds = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*){1,6}$/;
/** Ids in these namespaces have one part more before the path. */
const namespaces = new Set(["workflows", "comfy"]);

type Work = Asking & { endpoint: ModelEndpoint; deps: ModelDeps; pace: Pace };

/**
 * Pictures by fal's models, through its queue (docs: fal.ai/docs, "Queue API"): the SDK writes the
 * request and reads the result, and what lies between goes by the id that fal gives.
 */
export function createFalGenerator(
  endpoint: ModelEndpoint,
  deps: ModelDeps,
  pace: Pace = usualPace,
): Generator {
  return createModelGenerator(endpoint.name, async (asking) => {
    const isKnown = modelIds.test(asking.params.model) && asking.task.style.kind === "image";
    if (!isKnown) return failWith("provider_refused");
    return await makePicture({ endpoint, deps, pace, ...asking });
  });
}

async function makePicture(work: Work): Promise<Outcome> {
  const { deps, task, context, pace } = work;
  const { signal } = context;
  let end: Outcome | undefined;
  let fault: unknown;
  const hook: typeof fetch = async (input, init) => {
    if (init?.method !== "POST") {
      return new Response(new Uint8Array(await fetchResult(deps, String(input), signal)));
    }
    const found = await follow(work, Buffer.from(String(init.body))).catch((error) => {
      fault = error;
      throw error;
    });
    if (found.status === "done") return Response.json(found.result);
    end = found;
    throw new Error("fal has no result");
  };
  const outcome = await completePicture(() => generate(work, hook), {
    ...{ deps, task, pace, signal, usage: {} },
  });
  if (fault !== undefined) throw fault;
  return end ?? outcome;
}

async function generate({ endpoint, task, context, params }: Work, hook: typeof fetch) {
  const { key = "", url = falUrl } = endpoint;
  const { quality, size, aspect_ratio: ratio, extra } = params;
  const fal = { ...(quality !== undefined && { quality }), ...extra };
  const { requestId } = context;
  const maySubmit = requestId === null || requestId === sentMark;
  const { image } = await generateImage({
    model: createFal({ apiKey: key, baseURL: url, fetch: hook }).image(params.model),
    // Once it is submitted the photo may be gone, and is not needed.
    prompt: maySubmit ? toImagePrompt(task) : renderPrompt(task),
    maxRetries: 0,
    abortSignal: context.signal,
    ...(size !== undefined && { size: size as `${number}x${number}` }),
    ...(ratio !== undefined && { aspectRatio: ratio as `${number}:${number}` }),
    providerOptions: { fal },
  });
  return image.uint8Array;
}

async function follow(work: Work, body: Buffer) {
  const { endpoint, deps, context, task, pace, params } = work;
  const { idempotency_header: header } = endpoint;
  const key = header ? { [header]: context.idempotencyKey } : {};
  const maxBytes = deps.mostAnswerBytes ?? defaultAnswerBytes;
  const ask = async (path: string, method: "GET" | "PUT" = "GET", signal = context.signal) =>
    await call(endpoint, path, { method, signal, maxBytes });
  const path = (id: string) => `${appOf(params.model)}/requests/${id}`;
  const api = {
    async submit() {
      const headers = { "x-fal-request-timeout": String(leftSeconds(context)), ...key };
      const { signal } = context;
      const sending = { method: "POST", body, headers, signal, maxBytes } as const;
      const called = await call(endpoint, params.model, sending);
      Object.assign(called.seen.facts, readRefusal(called.json));
      return called;
    },
    readId: (json: unknown) => asObject(json).request_id,
    ask: async (id: string) => await readState(ask, path(id)),
    cancel: (id: string, signal: AbortSignal) => ask(`${path(id)}/cancel`, "PUT", signal),
  };
  const waitMs = (endpoint.timeout_s ?? defaultTimeoutS) * 1_000;
  return await followRequest(api, { task, context, pace, waitMs, isIdempotent: Boolean(header) });
}

type Sending = {
  method: "GET" | "POST" | "PUT";
  body?: Buffer;
  headers?: Record<string, string>;
  signal: AbortSignal;
  maxBytes: number;
};

function call(endpoint: ModelEndpoint, path: string, sending: Sending): Promise<Called> {
  const { url = falUrl, key = "", timeout_s = defaultTimeoutS } = endpoint;
  return callProvider(new URL(`${url.replace(/\/$/, "")}/${path}`), {
    ...sending,
    headers: {
      ...{ "content-type": "application/json", authorization: `Key ${key}` },
      ...endpoint.headers,
      ...sending.headers,
    },
    timeoutMs: Math.min(callTimeoutMs, timeout_s * 1_000),
  });
}

/** Requests are asked for at the app, without the path of the endpoint in it. */
function appOf(model: string): string {
  const parts = model.split("/");
  return parts.slice(0, namespaces.has(parts[0] ?? "") ? 3 : 2).join("/");
}

/** How long it may wait for a runner: until the deadline, by our clock. */
function leftSeconds({ deadline }: Context): number {
  const left = Math.ceil((deadline.getTime() - Date.now()) / 1_000);
  return Math.min(Math.max(left, 30), 86_400);
}

async function readState(ask: (path: string) => Promise<Called>, path: string): Promise<State> {
  const called = await ask(`${path}/status?logs=1`);
  const { status } = asObject(called.json);
  if (called.seen.status !== 200 && called.seen.status !== 202) return judgeAnswer(called);
  if (status === "IN_QUEUE" || status === "IN_PROGRESS")
    return { status: "running", ...readProgress(called.json) };
  if (status !== "COMPLETED") return { status: "unsaid", away: true };
  return readResult(await ask(path));
}

/** Models that count their steps do it in their log; the place in the queue is no part of it. */
function readProgress(json: unknown): { fraction?: number } {
  const last = asList(asObject(json).logs).slice(-mostLogs);
  const fraction = readFraction(last.map((one) => String(asObject(one).message)).join("\n"));
  return fraction === undefined ? {} : { fraction };
}

function readResult(called: Called): State {
  const { seen, json } = called;
  const facts = readRefusal(json);
  if (facts.isModerated) return { status: "ended", failure: failWith("moderation_refused") };
  if (facts.error) {
    const isInput = seen.status === 422 || seen.status === 400;
    const failure = failWith(isInput ? "provider_refused" : "provider_failed");
    return { status: "ended", failure };
  }
  if (seen.status !== 200 || !seen.isWhole) return judgeAnswer(called);
  return { status: "done", result: json, facts };
}

/**
 * A model's errors are a list of types in `detail` (fal.ai/docs, "Model Errors"), those of a run
 * have an `error_type` ("Request Error Types"). A sentence alone is of a server before them, and
 * says nothing of the request.
 */
function readRefusal(json: unknown): Facts {
  const { detail, error_type, has_nsfw_concepts, nsfw_content_detected } = asObject(json);
  const types = asList(detail).map((one) => String(asObject(one).type));
  const flags = asList(has_nsfw_concepts ?? nsfw_content_detected);
  const facts: Facts = {};
  if (flags[0] === true || types.includes("content_policy_violation")) facts.isModerated = true;
  const code = typeof error_type === "string" ? error_type : types[0];
  if (code !== undefined) facts.error = { code };
  return facts;
}
