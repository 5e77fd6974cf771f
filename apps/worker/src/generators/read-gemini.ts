import { asList, asObject, type Facts, type Json } from "./facts.ts";

/** Why a candidate ended, where that was moderation (Gemini API, FinishReason). */
const moderated = new Set([
  "SAFETY",
  "RECITATION",
  "BLOCKLIST",
  "PROHIBITED_CONTENT",
  "SPII",
  "IMAGE_SAFETY",
  "IMAGE_PROHIBITED_CONTENT",
  "IMAGE_RECITATION",
]);

/** What JSON of the Gemini API tells: a whole answer, an event of a stream, or Imagen's. */
export function readGeminiFacts(json: unknown): Facts {
  const body = asObject(json);
  const candidate = asObject(asList(body.candidates)[0]);
  const isBlocked = asObject(body.promptFeedback).blockReason !== undefined;
  const isFiltered = asList(body.predictions).some((one) => asObject(one).raiFilteredReason);
  const isModerated = isBlocked || isFiltered || moderated.has(String(candidate.finishReason));
  return {
    ...readError(body.error),
    ...(isModerated && { isModerated: true }),
    ...((isBlocked || candidate.finishReason !== undefined) && { isFinished: true }),
    ...readUsage(asObject(body.usageMetadata)),
  };
}

function readError(value: unknown): Facts {
  if (value === undefined || value === null) return {};
  const error = asObject(value);
  const isLimit = error.status === "RESOURCE_EXHAUSTED";
  const retryInMs = asList(error.details).map(readDelay).find(Number.isFinite);
  return {
    error: { code: isLimit ? "429" : String(error.code ?? error.status ?? "") },
    ...(retryInMs === undefined ? {} : { retryInMs }),
  };
}

/** google.rpc.RetryInfo, as in `"retryDelay": "34s"`. */
function readDelay(detail: unknown): number {
  const found = /^(\d{1,5}(?:\.\d+)?)s$/.exec(String(asObject(detail).retryDelay));
  return found ? Math.ceil(Number(found[1]) * 1_000) : Number.NaN;
}

/** Thoughts are paid as output. */
function readUsage(usage: Json): Facts {
  const { promptTokenCount: input, candidatesTokenCount, thoughtsTokenCount } = usage;
  if (input === undefined && candidatesTokenCount === undefined) return {};
  const thoughts = typeof thoughtsTokenCount === "number" ? thoughtsTokenCount : 0;
  const output =
    typeof candidatesTokenCount === "number" ? candidatesTokenCount + thoughts : undefined;
  return { tokens: { input, output } };
}
