import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { generateImage } from "ai";
import type { Exchange } from "./exchange.ts";
import { type Pace, usualPace } from "./follow-request.ts";
import type { Generator } from "./generator.ts";
import { type Asking, createModelGenerator } from "./model-generator.ts";
import { toImagePrompt, toMessages } from "./model-prompt.ts";
import { readGeminiFacts } from "./read-gemini.ts";
import { type Made, type ModelDeps, type ModelEndpoint, runOnce } from "./run-once.ts";
import { writeText } from "./stream-text.ts";

/** Gemini's texts and pictures, the latter also from a photo, and Imagen's pictures. */
export function createGoogleGenerator(
  endpoint: ModelEndpoint,
  deps: ModelDeps,
  pace: Pace = usualPace,
): Generator {
  return createModelGenerator(endpoint.name, (asking) =>
    runOnce({
      ...{ endpoint, deps, askAgainMs: pace.askAgainMs },
      ...{ task: asking.task, context: asking.context },
      readFacts: readGeminiFacts,
      ask: (exchange) => ask(endpoint, exchange, asking),
    }),
  );
}

async function ask(endpoint: ModelEndpoint, exchange: Exchange, asking: Asking): Promise<Made> {
  const { task, context, params } = asking;
  const provider = createGoogleGenerativeAI({
    // Without one it would look for a variable of its own.
    apiKey: endpoint.key ?? "",
    fetch: exchange.fetch,
    ...(endpoint.url !== undefined && { baseURL: endpoint.url }),
  });
  const providerOptions = { google: params.extra };
  if (task.style.kind === "text") {
    const model = provider.languageModel(params.model);
    const messages = toMessages(task);
    const writing = { model, params, messages, exchange, context, providerOptions };
    return { kind: "text", text: await writeText(writing) };
  }
  const { image } = await generateImage({
    model: provider.imageModel(params.model),
    prompt: toImagePrompt(task),
    maxRetries: 0,
    abortSignal: exchange.signal,
    providerOptions,
    ...(params.aspect_ratio !== undefined && {
      aspectRatio: params.aspect_ratio as `${number}:${number}`,
    }),
  });
  return { kind: "image", bytes: image.uint8Array };
}
