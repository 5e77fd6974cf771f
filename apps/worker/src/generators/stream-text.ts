import { type LanguageModel, type ModelMessage, streamText } from "ai";
import type { Exchange } from "./exchange.ts";
import type { Context } from "./generator.ts";
import type { ModelParams } from "./model-params.ts";

const mostTextLength = 100_000;

type Writing = {
  model: LanguageModel;
  params: ModelParams;
  messages: ModelMessage[];
  exchange: Exchange;
  context: Context;
  providerOptions?: NonNullable<Parameters<typeof streamText>[0]["providerOptions"]>;
};

/** The whole text of a model, told to `report` as it grows. Throws when the stream breaks. */
export async function writeText(writing: Writing): Promise<string> {
  const { model, params, messages, exchange, context, providerOptions } = writing;
  const { system, temperature, max_output_tokens: maxOutputTokens } = params;
  const result = streamText({
    model,
    messages,
    maxRetries: 0,
    abortSignal: exchange.signal,
    ...(system !== undefined && { system }),
    ...(temperature !== undefined && { temperature }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(providerOptions && { providerOptions }),
    // Its default writes to the console, the prompt with it.
    onError: () => undefined,
  });
  let text = "";
  for await (const part of result.fullStream) {
    if (part.type === "error") throw part.error;
    if (part.type === "abort") throw new Error("the stream was aborted");
    if (part.type !== "text-delta") continue;
    text += part.text;
    if (text.length > mostTextLength) throw new Error("a text without end");
    context.report?.({ text });
  }
  return text;
}
