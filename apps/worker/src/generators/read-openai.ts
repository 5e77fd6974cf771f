import { asList, asObject, type Facts, type Json } from "./facts.ts";

/**
 * Codes of refusals by moderation: OpenAI's images (moderation_blocked, content_policy_violation),
 * Azure's filter (content_filter, ResponsibleAIPolicyViolation) and its other image models.
 */
const moderated = new Set([
  "moderation_blocked",
  "content_policy_violation",
  "content_filter",
  "content_safety_violation",
  "ResponsibleAIPolicyViolation",
]);

/** What JSON of an OpenAI-compatible API tells: a whole answer or an event of a stream. */
export function readOpenAiFacts(json: unknown): Facts {
  const body = asObject(json);
  const choice = asObject(asList(body.choices)[0]);
  return {
    ...readError(body.error ?? choice.error),
    ...readChoice(choice),
    ...readOpenAiUsage(asObject(body.usage)),
  };
}

function readError(value: unknown): Facts {
  if (value === undefined || value === null) return {};
  const error = asObject(value);
  const inner = asObject(error.innererror);
  const codes = [error.code, error.type, inner.code].map(String);
  const isFlagged = codes.some((code) => moderated.has(code)) || isFlaggedByRouter(error);
  return { error: { code: String(error.code ?? "") }, ...(isFlagged && { isModerated: true }) };
}

/** OpenRouter's refusals name what was flagged, with status 403. */
function isFlaggedByRouter({ metadata }: Json): boolean {
  const { reasons, flagged_input } = asObject(metadata);
  return reasons !== undefined || flagged_input !== undefined;
}

function readChoice(choice: Json): Facts {
  const message = asObject(choice.message ?? choice.delta);
  const isFiltered = choice.finish_reason === "content_filter" || Boolean(message.refusal);
  const pictures = asList(message.images).flatMap((one) => {
    const { url } = asObject(asObject(one).image_url);
    return typeof url === "string" ? [url] : [];
  });
  return {
    ...(isFiltered && { isModerated: true }),
    ...(typeof choice.finish_reason === "string" && { isFinished: true }),
    ...(pictures.length > 0 && { pictures }),
  };
}

/** Images and responses count input_tokens, chats prompt_tokens; OpenRouter adds a cost in USD. */
function readOpenAiUsage(usage: Json): Facts {
  const input = usage.input_tokens ?? usage.prompt_tokens;
  const output = usage.output_tokens ?? usage.completion_tokens;
  return {
    ...((input ?? output) === undefined ? {} : { tokens: { input, output } }),
    ...(usage.cost === undefined ? {} : { costUsd: usage.cost }),
  };
}
