import { type Called, callProvider } from "./call-provider.ts";
import { asObject } from "./facts.ts";
import {
  followRequest,
  judgeAnswer,
  mostClaims,
  type Pace,
  type QueueApi,
  type State,
} from "./follow-request.ts";
import type { Context, Failure, Outcome, Task } from "./generator.ts";
import type { ModelParams } from "./model-params.ts";
import { failWith } from "./provider-failures.ts";
import { readResponse, takeMade } from "./read-response.ts";
import { readUsage } from "./read-usage.ts";
import { renderPrompt } from "./render-prompt.ts";
import {
  defaultAnswerBytes,
  defaultTimeoutS,
  type ModelDeps,
  type ModelEndpoint,
  toOutput,
} from "./run-once.ts";

const defaultUrl = "https://api.openai.com/v1";
const longestQuestionMs = 30_000;

type Asking = {
  endpoint: ModelEndpoint;
  deps: ModelDeps;
  task: Task;
  context: Context;
  params: ModelParams;
  pace: Pace;
};

/**
 * Work in the background of OpenAI's Responses API, which has an id: from then on only its state is
 * asked, however often this process dies. What can't be used in the end is bad_output.
 */
export async function runResponse(asking: Asking): Promise<Outcome> {
  const { context, deps, endpoint, task, pace } = asking;
  const answer = await followRequest(createApi(asking), {
    ...{ task, context, pace },
    waitMs: timeoutMs(endpoint),
    isIdempotent: endpoint.idempotency_header !== undefined,
  });
  if (answer.status !== "done") return answer;
  const usage = readUsage(answer.facts);
  try {
    const made = takeMade(answer.result, task.style.kind);
    return { status: "completed", output: await toOutput(deps, made, context.signal), usage };
  } catch {
    context.signal.throwIfAborted();
    // Fetching it again is free, and it may have been the way.
    if (task.attempt >= mostClaims) return { ...failWith("bad_output"), usage };
    return { status: "unknown", askAgainInMs: pace.askAgainMs };
  }
}

const timeoutMs = ({ timeout_s = defaultTimeoutS }: ModelEndpoint) => timeout_s * 1_000;

function createApi(asking: Asking): QueueApi {
  const { task, params } = asking;
  return {
    submit: () => call(asking, { method: "POST", body: toBody(task, params) }),
    readId: (json) => asObject(json).id,
    ask: async (id) => readState(await call(asking, { method: "GET", path: `/${id}` })),
    cancel(id, signal) {
      const context = { ...asking.context, signal };
      return call({ ...asking, context }, { method: "POST", path: `/${id}/cancel` });
    },
  };
}

function readState(called: Called): State {
  if (called.seen.status !== 200) return judgeAnswer(called);
  const { facts, state, isInput } = readResponse(called.json);
  if (state === "unclear") return { status: "unsaid", away: true };
  if (state === "running") return { status: "running" };
  const ended = (failure: Failure): State => {
    return { status: "ended", failure: { ...failure, usage: readUsage(facts) } };
  };
  if (facts.isModerated) return ended(failWith("moderation_refused"));
  if (isInput) return ended(failWith("provider_refused"));
  if (facts.error?.code === "429") return ended(failWith("provider_limit"));
  if (facts.error) return ended(failWith("provider_failed"));
  return { status: "done", result: called.json, facts };
}

type Request = { method: "GET" | "POST"; path?: string; body?: object };

async function call({ endpoint, deps, context }: Asking, request: Request): Promise<Called> {
  const { headers = {}, idempotency_header: header, key } = endpoint;
  const { method, path = "", body } = request;
  const url = new URL(endpoint.url ?? defaultUrl);
  url.pathname = `${url.pathname.replace(/\/$/, "")}/responses${path}`;
  const limitMs = timeoutMs(endpoint);
  const called = await callProvider(url, {
    method,
    signal: context.signal,
    timeoutMs: body ? limitMs : Math.min(limitMs, longestQuestionMs),
    maxBytes: deps.mostAnswerBytes ?? defaultAnswerBytes,
    headers: {
      "content-type": "application/json",
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...headers,
      ...(body && header && { [header]: context.idempotencyKey }),
    },
    ...(body && { body: Buffer.from(JSON.stringify(body)) }),
  });
  called.seen.facts = readResponse(called.json).facts;
  return called;
}

/** https://platform.openai.com/docs/api-reference/responses/create, with `background`. */
function toBody(task: Task, params: ModelParams): object {
  const { model, system, temperature, max_output_tokens, size, quality, extra } = params;
  const { tool, ...rest } = extra;
  const drawing = {
    tools: [{ type: "image_generation", size, quality, ...asObject(tool) }],
    tool_choice: { type: "image_generation" },
  };
  return {
    model,
    input: [{ role: "user", content: toContent(task) }],
    instructions: system,
    temperature,
    max_output_tokens,
    ...(task.style.kind === "image" && drawing),
    ...rest,
    // Without these there would be nothing to ask for.
    background: true,
    store: true,
  };
}

function toContent(task: Task): object[] {
  const text = { type: "input_text", text: renderPrompt(task) };
  if (task.input.type !== "photo") return [text];
  const url = `data:image/webp;base64,${task.input.photo.toString("base64")}`;
  return [text, { type: "input_image", image_url: url }];
}
