import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage, generateText } from "ai";
import type { Exchange } from "./exchange.ts";
import { type Pace, usualPace } from "./follow-request.ts";
import type { Generator } from "./generator.ts";
import { type Asking, createModelGenerator } from "./model-generator.ts";
import { toImagePrompt, toMessages } from "./model-prompt.ts";
import { runResponse } from "./openai-responses.ts";
import { readOpenAiFacts } from "./read-openai.ts";
import {
  fetchPicture,
  type Made,
  type ModelDeps,
  type ModelEndpoint,
  runOnce,
} from "./run-once.ts";
import { writeText } from "./stream-text.ts";

const openAiUrl = "https://api.openai.com/v1";
/** How these models are named at OpenAI; they answer in Base64 anyway, and refuse to be told so. */
const namelessFormat = /gpt-image/;

/**
 * Models behind any API that speaks OpenAI's language: OpenAI, Azure, OpenRouter, Ollama, vLLM.
 * Texts are streamed from /chat/completions; pictures come from /images, from a photo by its edits,
 * or with the api `chat` from the chat too, as OpenRouter has it. With the api `responses` both
 * are made in the background, under an id. The query of `url` (Azure's api-version) stays with
 * every request.
 */
export function createOpenAiGenerator(
  endpoint: ModelEndpoint,
  deps: ModelDeps,
  pace: Pace = usualPace,
): Generator {
  return createModelGenerator(endpoint.name, async (asking) => {
    const { task, context } = asking;
    if (endpoint.api === "responses") {
      return await runResponse({ endpoint, deps, pace, ...asking });
    }
    return await runOnce({
      ...{ endpoint, deps, task, context, askAgainMs: pace.askAgainMs },
      readFacts: readOpenAiFacts,
      rewrite: (body) => withoutFormat(body),
      ask: (exchange) => ask(endpoint, exchange, asking),
    });
  });
}

function withoutFormat({ response_format, ...body }: Record<string, unknown>) {
  const isKept = response_format !== "b64_json" || !namelessFormat.test(String(body.model));
  return isKept && response_format !== undefined ? { ...body, response_format } : body;
}

async function ask(endpoint: ModelEndpoint, exchange: Exchange, asking: Asking): Promise<Made> {
  const { task, context, params } = asking;
  const provider = connect(endpoint, exchange);
  const name = "provider";
  if (task.style.kind === "text") {
    const text = await writeText({
      ...{ params, exchange, context },
      model: provider.chatModel(params.model),
      messages: toMessages(task),
      providerOptions: { [name]: params.extra },
    });
    return { kind: "text", text };
  }
  if (endpoint.api === "chat") {
    await generateText({
      model: provider.chatModel(params.model),
      messages: toMessages(task),
      maxRetries: 0,
      abortSignal: exchange.signal,
      providerOptions: {
        [name]: {
          modalities: ["image", "text"],
          ...(params.aspect_ratio && { image_config: { aspect_ratio: params.aspect_ratio } }),
          ...params.extra,
        },
      },
    });
    return await takePictureOfChat(exchange);
  }
  const { image } = await generateImage({
    model: provider.imageModel(params.model),
    prompt: toImagePrompt(task),
    maxRetries: 0,
    abortSignal: exchange.signal,
    ...(params.size !== undefined && { size: params.size as `${number}x${number}` }),
    providerOptions: {
      [name]: { ...(params.quality !== undefined && { quality: params.quality }), ...params.extra },
    },
  });
  return { kind: "image", bytes: image.uint8Array };
}

function connect({ url = openAiUrl, key }: ModelEndpoint, exchange: Exchange) {
  const { origin, pathname, searchParams } = new URL(url);
  const queryParams = Object.fromEntries(searchParams);
  return createOpenAICompatible({
    name: "provider",
    baseURL: `${origin}${pathname}`,
    includeUsage: true,
    fetch: exchange.fetch,
    ...(key !== undefined && { apiKey: key }),
    ...(searchParams.size > 0 && { queryParams }),
  });
}

async function takePictureOfChat(exchange: Exchange): Promise<Made> {
  const [url] = exchange.seen.facts.pictures ?? [];
  if (url === undefined) throw new Error("a chat without a picture");
  return { kind: "image", bytes: await fetchPicture(exchange, url) };
}
