import { asList, asObject, type Facts, type Json } from "./facts.ts";
import { readOpenAiFacts } from "./read-openai.ts";
import type { Made } from "./run-once.ts";

/** Where a request of the Responses API is; `unclear` when the answer doesn't say. */
type ResponseState = "running" | "ended" | "unclear";

const states: Record<string, ResponseState> = {
  queued: "running",
  in_progress: "running",
  completed: "ended",
  incomplete: "ended",
  failed: "ended",
  cancelled: "ended",
};
/** What the API's error codes mean of the input; invalid_prompt is a prompt against its rules. */
const moderated = new Set(["invalid_prompt", "image_content_policy_violation"]);
const isInput = /^(?:invalid_(?:base64_)?image|image_|failed_to_download_image|empty_image)/;

type ResponseFacts = {
  facts: Facts;
  state: ResponseState;
  /** It failed, and for what was sent. */
  isInput: boolean;
};

/** What an answer of the Responses API tells of its request. */
export function readResponse(json: unknown): ResponseFacts {
  const body = asObject(json);
  const code = String(asObject(body.error).code ?? "");
  const isCut = asObject(body.incomplete_details).reason === "content_filter";
  const isRefused = listContents(body).some(({ type }) => type === "refusal");
  return {
    facts: {
      ...readOpenAiFacts(json),
      ...((isCut || isRefused || moderated.has(code)) && { isModerated: true }),
      ...(code === "rate_limit_exceeded" && { error: { code: "429" } }),
    },
    state: states[String(body.status)] ?? "unclear",
    isInput: isInput.test(code),
  };
}

/** The text or the picture of a request that has ended. Throws when there is none. */
export function takeMade(json: unknown, kind: "text" | "image"): Made {
  const body = asObject(json);
  if (kind === "text") {
    const texts = listContents(body).flatMap(({ text }) =>
      typeof text === "string" ? [text] : [],
    );
    return { kind, text: texts.join("") };
  }
  const call = asList(body.output)
    .map(asObject)
    .find((one) => typeof one.result === "string");
  if (!call) throw new Error("a response without a picture");
  return { kind, bytes: Buffer.from(String(call.result), "base64") };
}

function listContents(body: Json): Json[] {
  return asList(body.output).flatMap((one) => asList(asObject(one).content).map(asObject));
}
