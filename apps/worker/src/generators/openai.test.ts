import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createImageIntake } from "@ducat/storage/image-intake";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeContext, makeTask } from "../../test/generator-task.ts";
import { makeResult } from "../../test/model-picture.ts";
import { type ModelServer, startModelServer } from "../../test/model-server.ts";
import { createPhotoFetcher } from "../fetch-photo.ts";
import { type Progress, sentMark, type Task } from "./generator.ts";
import { createOpenAiGenerator } from "./openai.ts";
import type { ModelDeps, ModelEndpoint } from "./run-once.ts";

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const deps = (allowHosts: string[] = []): ModelDeps => ({
  fetchPhoto: createPhotoFetcher({ allowHosts }),
  imageIntake: createImageIntake(),
});
const endpoint = (more: Partial<ModelEndpoint> = {}): ModelEndpoint => ({
  ...{ name: "openai", url: `${server.url}/v1`, key: "sk-canary-123", timeout_s: 10 },
  ...more,
});
type Wishes = { kind?: "image" | "text"; params?: object; prompt?: string; input?: Task["input"] };

/** A task whose order the server knows; its mark is in the input, or in the template of a photo. */
function makeOrdered({ kind = "image", params = {}, prompt = "{input}", input }: Wishes = {}) {
  const order = server.books.order();
  const task = makeTask({ kind, input: input ?? { type: "text", prompt: order.prompt } });
  const style = {
    ...task.style,
    prompt: input?.type === "photo" ? order.prompt : prompt,
    params: { model: "gpt-image-1", ...params },
  };
  return { order, task: { ...task, style } };
}

const lastRequest = () => {
  const request = server.requests.at(-1);
  if (!request) throw new Error("nothing was asked");
  return request;
};

describe("pictures of an OpenAI-compatible API", () => {
  it("are encoded anew, with what they took as the body says it", async () => {
    const { task } = makeOrdered();
    const outcome = await createOpenAiGenerator(endpoint(), deps()).run(task, makeContext());
    expect(outcome).toMatchObject({
      status: "completed",
      output: { kind: "image", type: "image/webp", width: 64, height: 64 },
      usage: { inputTokens: 12, outputTokens: 1_056 },
    });
    expect(lastRequest().headers.authorization).toBe("Bearer sk-canary-123");
  });

  it("are not asked for in Base64 where that is refused, and are elsewhere", async () => {
    const generator = createOpenAiGenerator(endpoint(), deps([new URL(server.url).host]));
    await generator.run(makeOrdered().task, makeContext());
    expect(JSON.parse(lastRequest().text)).not.toHaveProperty("response_format");
    await generator.run(makeOrdered({ params: { model: "sdxl" } }).task, makeContext());
    expect(JSON.parse(lastRequest().text)).toMatchObject({ response_format: "b64_json" });
  });

  it("follow the caller's size only where the style offers it", async () => {
    const generator = createOpenAiGenerator(endpoint(), deps());
    const { task } = makeOrdered({ params: { size: "1024x1024", quality: "low" } });
    const asked = { ...task, params: { size: "4096x4096", quality: "high" } };
    await generator.run(asked, makeContext());
    expect(JSON.parse(lastRequest().text)).toMatchObject({ size: "1024x1024", quality: "low" });
    const inputs = { size: { enum: ["1024x1024", "4096x4096"] } };
    const offering = { ...asked.style, params: { ...asked.style.params, inputs } };
    await generator.run({ ...asked, style: offering }, makeContext());
    expect(JSON.parse(lastRequest().text)).toMatchObject({ size: "4096x4096", quality: "low" });
    const huge = { ...asked, style: offering, params: { size: "large" } };
    expect(await generator.run(huge, makeContext())).toMatchObject({ code: "provider_refused" });
  });

  it("from a photo are edits of that photo", async () => {
    const photo = await sharp(await makeResult())
      .webp()
      .toBuffer();
    const { task } = makeOrdered({ input: { type: "photo", photo } });
    const outcome = await createOpenAiGenerator(endpoint(), deps()).run(task, makeContext());
    expect(outcome.status).toBe("completed");
    const { path, headers, text } = lastRequest();
    expect(path).toBe("/v1/images/edits");
    expect(headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
    expect(text).toContain(photo.toString("latin1"));
  });

  it("keep the query of the address, as Azure wants it, and its header", async () => {
    const url = `${server.url}/openai/deployments/pictures?api-version=2026-01-01`;
    const azure = endpoint({ url, key: undefined, headers: { "api-key": "azure-key" } });
    const { task } = makeOrdered();
    const outcome = await createOpenAiGenerator(azure, deps()).run(task, makeContext());
    expect(outcome.status).toBe("completed");
    const { path, headers } = lastRequest();
    expect(path).toBe("/openai/deployments/pictures/images/generations?api-version=2026-01-01");
    expect(headers).toMatchObject({ "api-key": "azure-key" });
    expect(headers).not.toHaveProperty("authorization");
  });

  it("by address are fetched where that is public, and nowhere else", async () => {
    const wishes = { params: { model: "dall-e-3" } };
    const { task } = makeOrdered(wishes);
    const allowed = deps([new URL(server.url).host]);
    const good = await createOpenAiGenerator(endpoint(), allowed).run(task, makeContext());
    expect(good).toMatchObject({ status: "completed", output: { width: 64 } });
    const bad = await createOpenAiGenerator(endpoint(), deps()).run(
      makeOrdered(wishes).task,
      makeContext(),
    );
    expect(bad).toMatchObject({ code: "bad_output", retryable: false, failover: true });
  });
});

describe("texts of an OpenAI-compatible API", () => {
  it("are told as they grow, with what they took and cost", async () => {
    const { task } = makeOrdered({ kind: "text", params: { model: "gpt-5-mini" } });
    const progress: Progress[] = [];
    const context = makeContext({ report: (one) => void progress.push(one) });
    const outcome = await createOpenAiGenerator(endpoint(), deps()).run(task, context);
    const text = "A sturdy pot for the windowsill.";
    expect(outcome).toEqual({
      status: "completed",
      output: { kind: "text", text },
      usage: { inputTokens: 12, outputTokens: 7, providerCostMicros: 40_000 },
    });
    expect(progress.map((one) => one.text)).toEqual(["A sturdy ", "A sturdy pot for ", text]);
  });

  it("follow the style's instructions and limits", async () => {
    const params = {
      ...{ model: "gpt-5-mini", system: "You write for shops.", temperature: 0.2 },
      ...{ max_output_tokens: 300, extra: { top_k: 5 } },
    };
    const { task } = makeOrdered({ kind: "text", params, prompt: "Describe {input} for {label}" });
    const labelled = { ...task, label: "Emma" };
    await createOpenAiGenerator(endpoint(), deps()).run(labelled, makeContext());
    const body = JSON.parse(lastRequest().text);
    expect(body).toMatchObject({
      model: "gpt-5-mini",
      max_tokens: 300,
      temperature: 0.2,
      top_k: 5,
    });
    expect(body.stream_options).toEqual({ include_usage: true });
    expect(body.messages[0]).toEqual({ role: "system", content: "You write for shops." });
    expect(JSON.stringify(body.messages[1])).toMatch(/Describe a garden .* for Emma/);
  });
});

describe("a request that has no id", () => {
  it("leaves after its mark was kept", async () => {
    const { task, order } = makeOrdered();
    const saved: string[] = [];
    const saveRequestId = async (id: string) => {
      expect(server.books.asked(order.id)).toBe(0);
      saved.push(id);
    };
    await createOpenAiGenerator(endpoint(), deps()).run(task, makeContext({ saveRequestId }));
    expect(saved).toEqual([sentMark]);
  });

  it("is not sent when the mark could not be kept", async () => {
    const { task, order } = makeOrdered();
    const saveRequestId = () => Promise.reject(new Error("no database"));
    const run = createOpenAiGenerator(endpoint(), deps()).run(task, makeContext({ saveRequestId }));
    await expect(run).rejects.toThrow("no database");
    expect(server.books.asked(order.id)).toBe(0);
  });

  it("is never sent again by who finds the mark", async () => {
    const { task, order } = makeOrdered();
    const context = makeContext({ requestId: sentMark });
    const outcome = await createOpenAiGenerator(endpoint(), deps()).run(task, context);
    expect(outcome).toMatchObject({ code: "outcome_unknown", retryable: false, failover: true });
    expect(server.books.asked(order.id)).toBe(0);
  });

  it("is sent again under its key where the provider keeps keys", async () => {
    const { task } = makeOrdered();
    const keyed = endpoint({ idempotency_header: "Idempotency-Key" });
    const context = makeContext({ requestId: sentMark });
    const outcome = await createOpenAiGenerator(keyed, deps()).run(task, context);
    expect(outcome.status).toBe("completed");
    expect(lastRequest().headers["idempotency-key"]).toBe(context.idempotencyKey);
  });

  it("certainly did not arrive where nobody listens, or the name is unknown", async () => {
    const { task } = makeOrdered();
    for (const url of ["http://127.0.0.1:1/v1", "https://models.invalid/v1"]) {
      const outcome = await createOpenAiGenerator(endpoint({ url }), deps()).run(
        task,
        makeContext(),
      );
      expect(outcome, url).toMatchObject({
        ...{ code: "provider_failed", retryable: true, failover: true },
      });
    }
  });

  it("ends when the item's work is stopped, with the reason of that", async () => {
    const order = server.books.order({ fault: "hang" });
    const { task } = makeOrdered({ input: { type: "text", prompt: order.prompt } });
    const stopping = new AbortController();
    const context = makeContext({ signal: stopping.signal });
    const run = createOpenAiGenerator(endpoint(), deps()).run(task, context);
    const stopped = expect(run).rejects.toThrow("stopped by us");
    await expect.poll(() => server.books.asked(order.id)).toBe(1);
    stopping.abort(new Error("stopped by us"));
    await stopped;
  });
});

/** Answers as they were sent by others than OpenAI, shortened. */
const answers: { who: string; status: number; body: unknown; code: string; more?: object }[] = [
  {
    who: "Azure's filter, of a prompt",
    status: 400,
    body: {
      error: {
        message: "The response was filtered",
        type: null,
        param: "prompt",
        code: "content_filter",
        status: 400,
        innererror: { code: "ResponsibleAIPolicyViolation" },
      },
    },
    code: "moderation_refused",
  },
  {
    who: "Azure, too many requests",
    status: 429,
    body: { error: { code: "429", message: "Requests have exceeded the call rate limit" } },
    code: "provider_limit",
    more: { retryable: true, failover: true },
  },
  {
    who: "Azure, no such deployment",
    status: 404,
    body: { error: { code: "DeploymentNotFound", message: "The API deployment does not exist" } },
    code: "provider_failed",
    more: { retryable: false, failover: true },
  },
  {
    who: "OpenRouter's moderation",
    status: 403,
    body: {
      error: {
        code: 403,
        message: "Your input was flagged",
        metadata: { reasons: ["violence"], flagged_input: "…", provider_name: "x" },
      },
    },
    code: "moderation_refused",
    more: { failover: false },
  },
  {
    who: "OpenRouter, no money of ours left",
    status: 402,
    body: { error: { code: 402, message: "Insufficient credits" } },
    code: "provider_limit",
  },
  {
    who: "OpenRouter, a choice that failed",
    status: 200,
    body: { choices: [{ error: { code: 502, message: "upstream" }, message: { content: "" } }] },
    code: "provider_failed",
    more: { retryable: false },
  },
  {
    who: "Ollama, no such model",
    status: 404,
    body: { error: 'model "llama" not found, try pulling it first' },
    code: "provider_failed",
  },
  {
    who: "vLLM, too long a prompt",
    status: 400,
    body: {
      object: "error",
      message: "maximum context length",
      type: "BadRequestError",
      code: 400,
    },
    code: "provider_refused",
    more: { failover: false, retryable: false },
  },
  {
    who: "OpenAI, a quota that is used up",
    status: 429,
    body: { error: { message: "…", type: "insufficient_quota", code: "insufficient_quota" } },
    code: "provider_limit",
  },
  {
    who: "OpenAI, a text that the model refused to write",
    status: 200,
    body: {
      choices: [{ message: { content: null, refusal: "I can't." }, finish_reason: "stop" }],
    },
    code: "moderation_refused",
  },
];

describe("what other servers of that API answer", () => {
  it.each(answers)("$who: $code", async ({ status, body, code, more }) => {
    const recorded = createServer((incoming, answer) => {
      incoming.resume().on("end", () => {
        answer.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => recorded.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(recorded.address() as AddressInfo).port}/v1`;
    try {
      const generator = createOpenAiGenerator(endpoint({ url, api: "chat" }), deps());
      const outcome = await generator.run(makeOrdered().task, makeContext());
      expect(outcome).toMatchObject({ status: "failed", code, ...more });
      // Nothing that they said comes through.
      expect(JSON.stringify(outcome)).not.toMatch(/canary|flagged|llama|filtered/);
    } finally {
      recorded.close();
    }
  });
});
