import { createImageIntake } from "@ducat/storage/image-intake";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeContext, makeTask } from "../../test/generator-task.ts";
import { makeResult } from "../../test/model-picture.ts";
import { type ModelServer, startModelServer } from "../../test/model-server.ts";
import { createPhotoFetcher } from "../fetch-photo.ts";
import { type Progress, sentMark, type Task } from "./generator.ts";
import { createGoogleGenerator } from "./google.ts";
import { readGeminiFacts } from "./read-gemini.ts";

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const createGenerator = () => {
  const url = `${server.url}/v1beta`;
  const deps = { fetchPhoto: createPhotoFetcher(), imageIntake: createImageIntake() };
  return createGoogleGenerator({ name: "google", url, key: "g-canary-1", timeout_s: 10 }, deps);
};

type Params = Task["style"]["params"];

function makeOrdered(kind: "image" | "text", params: Params, photo?: Buffer): Task {
  const { prompt } = server.books.order();
  const input: Task["input"] = photo ? { type: "photo", photo } : { type: "text", prompt };
  const task = makeTask({ kind, input });
  return { ...task, style: { ...task.style, prompt: photo ? prompt : "{input}", params } };
}

const lastRequest = () => {
  const request = server.requests.at(-1);
  if (!request) throw new Error("nothing was asked");
  return { ...request, body: JSON.parse(request.text) };
};

describe("Gemini", () => {
  it("writes a text that is told as it grows; thoughts are paid as output", async () => {
    const progress: Progress[] = [];
    const context = makeContext({ report: (one) => void progress.push(one) });
    const params = { model: "gemini-2.5-flash", system: "Be brief.", max_output_tokens: 300 };
    const outcome = await createGenerator().run(makeOrdered("text", params), context);
    expect(outcome).toEqual({
      status: "completed",
      output: { kind: "text", text: "A sturdy pot for the windowsill." },
      usage: { inputTokens: 12, outputTokens: 10 },
    });
    expect(progress).toHaveLength(3);
    const { path, headers, body } = lastRequest();
    expect(path).toBe("/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    expect(headers["x-goog-api-key"]).toBe("g-canary-1");
    expect(body).toMatchObject({
      systemInstruction: { parts: [{ text: "Be brief." }] },
      generationConfig: { maxOutputTokens: 300 },
    });
  });

  it("draws from a text, in the form that the style names", async () => {
    const params = { model: "gemini-2.5-flash-image", aspect_ratio: "16:9" };
    const outcome = await createGenerator().run(makeOrdered("image", params), makeContext());
    expect(outcome).toMatchObject({
      status: "completed",
      output: { kind: "image", type: "image/webp", width: 64 },
      usage: { inputTokens: 12, outputTokens: 10 },
    });
    expect(lastRequest().body.generationConfig).toMatchObject({
      responseModalities: ["IMAGE"],
      imageConfig: { aspectRatio: "16:9" },
    });
  });

  it("changes a photo", async () => {
    const photo = await sharp(await makeResult())
      .webp()
      .toBuffer();
    const task = makeOrdered("image", { model: "gemini-2.5-flash-image" }, photo);
    expect((await createGenerator().run(task, makeContext())).status).toBe("completed");
    const [, part] = lastRequest().body.contents[0].parts;
    expect(part.inlineData).toEqual({
      mimeType: "image/webp",
      data: photo.toString("base64"),
    });
  });

  it("asks Imagen by its own path, and never sends it a photo", async () => {
    const params = { model: "imagen-4.0-generate-001" };
    const outcome = await createGenerator().run(makeOrdered("image", params), makeContext());
    expect(outcome.status).toBe("completed");
    expect(lastRequest().path).toBe("/v1beta/models/imagen-4.0-generate-001:predict");
    const asked = server.requests.length;
    const withPhoto = makeOrdered("image", params, await makeResult());
    const refused = await createGenerator().run(withPhoto, makeContext());
    expect(refused).toMatchObject({ status: "failed", code: "provider_refused", retryable: false });
    expect(server.requests.length).toBe(asked);
  });

  it("is not asked again by who finds the mark", async () => {
    const asked = server.requests.length;
    const task = makeOrdered("text", { model: "gemini-2.5-flash" });
    const outcome = await createGenerator().run(task, makeContext({ requestId: sentMark }));
    expect(outcome).toMatchObject({ code: "outcome_unknown", failover: true });
    expect(server.requests.length).toBe(asked);
  });
});

it("reads from Gemini's limits for how long to wait", () => {
  const details = [
    { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [] },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "34.5s" },
  ];
  const error = { code: 429, message: "quota", status: "RESOURCE_EXHAUSTED", details };
  expect(readGeminiFacts({ error })).toEqual({ error: { code: "429" }, retryInMs: 34_500 });
});

it.each([
  [{ promptFeedback: { blockReason: "OTHER" } }],
  [{ candidates: [{ finishReason: "RECITATION" }] }],
  [{ candidates: [{ finishReason: "IMAGE_PROHIBITED_CONTENT" }] }],
  [{ predictions: [{ raiFilteredReason: "…" }] }],
])("knows a refusal by moderation: %j", (json) => {
  expect(readGeminiFacts(json)).toMatchObject({ isModerated: true });
});
