import { z } from "zod";
import type { ModelCost } from "../model-settings.ts";
import { toStorable } from "../storable-text.ts";
import type { Called } from "./call-provider.ts";
import { asList, asObject } from "./facts.ts";
import { followRequest, type Pace, type QueueApi, usualPace } from "./follow-request.ts";
import { type Context, type Generator, type Outcome, sentMark, type Task } from "./generator.ts";
import { judgeFailure } from "./judge-failure.ts";
import { createModelGenerator } from "./model-generator.ts";
import type { ModelParams } from "./model-params.ts";
import { failWith } from "./provider-failures.ts";
import { isModerated, type Prediction, readPrediction, toText } from "./read-prediction.ts";
import { renderPrompt } from "./render-prompt.ts";
import { callReplicate } from "./replicate-client.ts";
import { defaultTimeoutS, type ModelDeps, type ModelEndpoint } from "./run-once.ts";
import { completePicture, fetchResult } from "./take-result.ts";

const mostTextLength = 100_000;
/** Larger photos are uploaded first (replicate.com/docs, "Input files"). */
const mostInlineBytes = 256 * 1024;
/** Fetching may go on for so long after the deadline. */
const graceSeconds = 60;
/** owner/name, owner/name:version, or a version alone. */
const modelIds = /^(?:([\w-][\w.-]*\/[\w-][\w.-]*)(?::([0-9a-f]{40,64}))?|([0-9a-f]{64}))$/;

/** How the model calls its inputs. */
const Inputs = z.object({
  prompt_input: z.string().min(1).max(64).default("prompt"),
  photo_input: z.string().min(1).max(64).default("image"),
});

type Endpoint = ModelEndpoint & { costs?: Record<string, ModelCost> };
type Work = {
  endpoint: Endpoint;
  deps: ModelDeps;
  pace: Pace;
  task: Task;
  context: Context;
  params: ModelParams & z.infer<typeof Inputs>;
};

/**
 * Pictures and texts by Replicate's models, through its own client. A prediction is never waited
 * for in the request that creates it: its id is kept first.
 */
export function createReplicateGenerator(
  endpoint: Endpoint,
  deps: ModelDeps,
  pace: Pace = usualPace,
): Generator {
  return createModelGenerator(endpoint.name, async ({ task, context, params }) => {
    const inputs = Inputs.safeParse(task.style.params).data;
    if (!inputs || !modelIds.test(params.model)) return failWith("provider_refused");
    return await make({ endpoint, deps, pace, task, context, params: { ...params, ...inputs } });
  });
}

async function make(work: Work): Promise<Outcome> {
  const { endpoint, task, context, pace } = work;
  // Uploading is free, so it comes before the item is marked.
  const photo = await loadPhoto(work);
  if (photo && "status" in photo) return photo;
  const found = await followRequest(createApi(work, photo?.url), {
    ...{ task, context, pace },
    waitMs: (endpoint.timeout_s ?? defaultTimeoutS) * 1_000,
    isIdempotent: endpoint.idempotency_header !== undefined,
  });
  if (found.status !== "done") return found;
  const prediction = found.result as Prediction;
  return task.style.kind === "text"
    ? completeText(prediction)
    : await completeOutput(work, prediction);
}

async function completeOutput(work: Work, { output, usage }: Prediction): Promise<Outcome> {
  const { deps, task, pace, context } = work;
  const { signal } = context;
  const [url] = typeof output === "string" ? [output] : asList(output);
  if (typeof url !== "string") return { ...failWith("bad_output"), usage };
  const read = () => fetchResult(deps, url, signal);
  return await completePicture(read, { deps, task, pace, signal, usage });
}

function completeText({ output, usage }: Prediction): Outcome {
  const text = toText(output);
  const kept = toStorable(text, mostTextLength).trim();
  if (kept === "" || text.length > mostTextLength) return { ...failWith("bad_output"), usage };
  return { status: "completed", output: { kind: "text", text: kept }, usage };
}

/** A photo as an input: an address at Replicate, or one that holds it. None for known work. */
async function loadPhoto(work: Work): Promise<{ url: string } | Outcome | undefined> {
  const { task, context, endpoint, deps, pace } = work;
  const { signal, requestId } = context;
  const isSentAgain = requestId === sentMark && endpoint.idempotency_header !== undefined;
  if (task.input.type !== "photo" || (requestId !== null && !isSentAgain)) return undefined;
  const { photo } = task.input;
  if (photo.length <= mostInlineBytes) {
    return { url: `data:image/webp;base64,${photo.toString("base64")}` };
  }
  const file = new File([new Uint8Array(photo)], "photo.webp", { type: "image/webp" });
  const call = { endpoint, signal, maxBytes: deps.mostAnswerBytes };
  const { seen, json } = await callReplicate(call, (client) => client.files.create(file));
  const url = asObject(asObject(json).urls).get;
  if (typeof url === "string") return { url };
  const outcome = judgeFailure(seen, { isIdempotent: false, attempt: task.attempt });
  // Nothing was begun, so what would be unknown elsewhere may be tried again here.
  const isRefusal = outcome.status === "failed" && outcome.code === "provider_refused";
  if (isRefusal) return outcome;
  // What was sent before may have arrived: a failure would forget it.
  if (isSentAgain) return { status: "unknown", askAgainInMs: pace.askAgainMs };
  return failWith("provider_failed", { retryable: true });
}

function createApi(work: Work, photo: string | undefined): QueueApi {
  const { endpoint, deps, context, task, params } = work;
  const call = { endpoint, maxBytes: deps.mostAnswerBytes };
  const { costs = {} } = endpoint;
  const cost = Object.hasOwn(costs, params.model) ? costs[params.model] : costs["*"];
  const isText = task.style.kind === "text";
  return {
    submit: () => submit(work, photo),
    readId: (json) => asObject(json).id,
    async ask(id) {
      const asking = { ...call, signal: context.signal };
      const called = await callReplicate(asking, (client) => client.predictions.get(id));
      return readPrediction(called, { cost, isText });
    },
    cancel: (id, signal) =>
      callReplicate({ ...call, signal }, (client) => client.predictions.cancel(id)),
  };
}

async function submit(work: Work, photo: string | undefined): Promise<Called> {
  const { endpoint, deps, context, params } = work;
  const [, model = "", version, bare] = modelIds.exec(params.model) ?? [];
  const which = version || bare ? { version: version ?? bare ?? "" } : { model };
  const { idempotency_header: header } = endpoint;
  const headers = {
    "cancel-after": `${leftSeconds(context) + graceSeconds}s`,
    ...(header !== undefined && { [header]: context.idempotencyKey }),
  };
  const { signal } = context;
  const call = { endpoint, signal, headers, maxBytes: deps.mostAnswerBytes };
  const called = await callReplicate(call, (client) =>
    client.predictions.create({ ...which, input: toInput(work, photo), wait: false }),
  );
  const { id, detail, error } = asObject(called.json);
  if (isModerated(detail) || isModerated(error)) called.seen.facts.isModerated = true;
  const isFailure = detail !== undefined || (error !== undefined && error !== null);
  if (id === undefined && isFailure) called.seen.facts.error = { code: "" };
  return called;
}

function toInput({ task, params }: Work, photo: string | undefined): Record<string, unknown> {
  const { size, quality, aspect_ratio, prompt_input, photo_input } = params;
  // What we were told of the model is not for the model.
  const { prompt_input: _, photo_input: __, ...extra } = params.extra;
  return {
    ...(size !== undefined && { size }),
    ...(quality !== undefined && { quality }),
    ...(aspect_ratio !== undefined && { aspect_ratio }),
    ...extra,
    [prompt_input]: renderPrompt(task),
    ...(photo !== undefined && { [photo_input]: photo }),
  };
}

/** Until the deadline, by our clock. */
function leftSeconds({ deadline }: Context): number {
  const left = Math.ceil((deadline.getTime() - Date.now()) / 1_000);
  return Math.min(Math.max(left, 30), 86_400);
}
