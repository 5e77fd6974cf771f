import { type ErrorCode, errors } from "@ducat/types/errors";
import { Problem } from "@ducat/types/problem";
import type { z } from "@hono/zod-openapi";

type ProblemAnswer = {
  description: string;
  content: { "application/problem+json": { schema: typeof Problem } };
};
type StatusOf<C extends ErrorCode> = (typeof errors)[C]["status"];
type ProblemAnswers<C extends ErrorCode> = { [S in StatusOf<C>]: ProblemAnswer };

/** The refusals of a route, for its description; every route has 500 and 503 too. */
export function problems<C extends ErrorCode>(
  ...codes: C[]
): ProblemAnswers<C | "internal" | "unavailable"> {
  const all: ErrorCode[] = [...codes, "internal", "unavailable"];
  const answers: Record<number, ProblemAnswer> = {};
  for (const code of new Set(all)) {
    const { status, title } = errors[code];
    const before = answers[status]?.description;
    const description = `\`${code}\`: ${title}`;
    answers[status] = {
      description: before ? `${before}\n\n${description}` : description,
      content: { "application/problem+json": { schema: Problem } },
    };
  }
  return answers as ProblemAnswers<C | "internal" | "unavailable">;
}

/** The refusals of every route behind a key, besides its own. */
export const behindKey = ["unauthenticated", "forbidden", "not_verified", "rate_limited"] as const;
/** … of every route that acts for an account. */
export const forAccount = [...behindKey, "account_required", "not_found"] as const;
/** … of every route that reads a JSON body. */
export const withBody = [
  "malformed_body",
  "payload_too_large",
  "unsupported_media_type",
  "validation_failed",
] as const;

/** A JSON answer. */
export const answer = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

/** A JSON answer, or all of the list as CSV where the request's Accept prefers it. */
export const answerWithCsv = <T extends z.ZodType>(schema: T, description: string) => ({
  description: `${description} With \`Accept: text/csv\` all of the list, streamed (RFC 4180).`,
  content: {
    "application/json": { schema },
    "text/csv": { schema: { type: "string" as const } },
  },
});

/** A JSON body that must be there. */
export const jsonBody = <T extends z.ZodType>(schema: T) => ({
  body: { required: true as const, content: { "application/json": { schema } } },
});

/** Header parameters; their components are in openapi.ts. */
const header = (name: string) => ({ $ref: `#/components/parameters/${name}` as const });
export const ducatAccount = header("DucatAccount");
export const namedDucatAccount = header("NamedDucatAccount");
export const idempotencyKey = header("IdempotencyKey");
export const preferWait = header("PreferWait");
export const lastEventId = header("LastEventId");
