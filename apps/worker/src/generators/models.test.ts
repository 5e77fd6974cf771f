import { afterAll, describe } from "vitest";
import { type Subject, testConformance, usualEnds } from "../../test/generator-conformance.ts";
import { faults } from "../../test/model-books.ts";
import { type ModelServer, startModelServer } from "../../test/model-server.ts";
import { createGoogleGenerator } from "./google.ts";
import { createOpenAiGenerator } from "./openai.ts";
import type { ModelEndpoint } from "./run-once.ts";

const timeout_s = 2;
const names = [
  "openai-text",
  "openai-image",
  "openai-edit",
  "openai-keyed",
  "openrouter-image",
  "responses-text",
  "responses-image",
  "responses-polled",
  "gemini-text",
  "gemini-image",
  "gemini-edit",
  "imagen",
];

const apis: Record<string, ModelEndpoint["api"]> = { openrouter: "chat", responses: "responses" };
const pace = { pollMs: 20, mostPollMs: 20, askAgainMs: 50 };

/** Work that has an id is asked for until there is an answer: only what it says is final. */
const polledEnds: NonNullable<Subject["ends"]> = {
  ...Object.fromEntries(faults.map((fault) => [fault, { once: "completed" }])),
  "error-inside": { once: "provider_failed" },
  refused: { once: "moderation_refused" },
  filtered: { once: "moderation_refused" },
  "broken-output": { once: "completed", ever: "bad_output" },
};

/** Who keeps keys can be asked again, and gives what it has done. */
const keyedEnds: NonNullable<Subject["ends"]> = Object.fromEntries([
  ...faults
    .filter((fault) => usualEnds[fault].once === "outcome_unknown")
    .map((fault) => [fault, { once: "completed" }]),
  ["error-after", { once: "completed", ever: "outcome_unknown" }],
]);

describe("models behind OpenAI's API and Gemini's", () => {
  const servers: ModelServer[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.close())));

  testConformance(async () => {
    const server = await startModelServer();
    const keeping = await startModelServer({ keepsKeys: true });
    servers.push(server, keeping);
    const url = `${server.url}/v1`;
    const subject = (name: string, kind: Subject["kind"], model: string): Subject => {
      const api = apis[name.split("-")[0] ?? ""];
      const endpoint = { name, key: "sk-secret", timeout_s, ...(api && { api }) };
      const createGenerator: Subject["createGenerator"] = (deps) =>
        name.startsWith("gem") || name === "imagen"
          ? createGoogleGenerator({ ...endpoint, url: `${server.url}/v1beta` }, deps)
          : createOpenAiGenerator({ ...endpoint, url }, deps, pace);
      return { name, kind, params: { model }, server, createGenerator };
    };
    return [
      subject("openai-text", "text", "gpt-5-mini"),
      subject("openai-image", "image", "gpt-image-1"),
      { ...subject("openai-edit", "image", "gpt-image-1"), fromPhoto: true },
      {
        ...subject("openai-keyed", "image", "gpt-image-1"),
        server: keeping,
        ends: keyedEnds,
        createGenerator: (deps) =>
          createOpenAiGenerator(
            {
              ...{ name: "keyed", url: `${keeping.url}/v1`, timeout_s },
              idempotency_header: "Idempotency-Key",
            },
            deps,
            pace,
          ),
      },
      subject("openrouter-image", "image", "google/gemini-2.5-flash-image"),
      subject("responses-text", "text", "gpt-5"),
      subject("responses-image", "image", "gpt-5"),
      { ...subject("responses-polled", "image", "gpt-5-polled"), ends: polledEnds },
      subject("gemini-text", "text", "gemini-2.5-flash"),
      subject("gemini-image", "image", "gemini-2.5-flash-image"),
      { ...subject("gemini-edit", "image", "gemini-2.5-flash-image"), fromPhoto: true },
      subject("imagen", "image", "imagen-4.0-generate-001"),
    ];
  }, names);
});
