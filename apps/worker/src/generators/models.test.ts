import { afterAll, describe } from "vitest";
import { type Subject, testConformance } from "../../test/generator-conformance.ts";
import { type ModelServer, startModelServer } from "../../test/model-server.ts";
import { createGoogleGenerator } from "./google.ts";
import { createOpenAiGenerator } from "./openai.ts";

const timeout_s = 2;
const names = [
  "openai-text",
  "openai-image",
  "openai-edit",
  "openrouter-image",
  "gemini-text",
  "gemini-image",
  "gemini-edit",
  "imagen",
];

describe("models behind OpenAI's API and Gemini's", () => {
  const servers: ModelServer[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.close())));

  testConformance(async () => {
    const server = await startModelServer();
    servers.push(server);
    const subject = (name: string, kind: Subject["kind"], model: string): Subject => ({
      name,
      kind,
      params: { model },
      server,
      createGenerator: (deps) =>
        name.startsWith("open")
          ? createOpenAiGenerator(
              {
                ...{ name, url: `${server.url}/v1`, key: "sk-secret", timeout_s },
                ...(name.startsWith("openrouter") && { api: "chat" as const }),
              },
              deps,
            )
          : createGoogleGenerator(
              { name, url: `${server.url}/v1beta`, key: "g-secret", timeout_s },
              deps,
            ),
    });
    return [
      subject("openai-text", "text", "gpt-5-mini"),
      subject("openai-image", "image", "gpt-image-1"),
      { ...subject("openai-edit", "image", "gpt-image-1"), fromPhoto: true },
      subject("openrouter-image", "image", "google/gemini-2.5-flash-image"),
      subject("gemini-text", "text", "gemini-2.5-flash"),
      subject("gemini-image", "image", "gemini-2.5-flash-image"),
      { ...subject("gemini-edit", "image", "gemini-2.5-flash-image"), fromPhoto: true },
      subject("imagen", "image", "imagen-4.0-generate-001"),
    ];
  }, names);
});
