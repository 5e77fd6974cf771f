import { DomainError } from "@ducat/types/errors";

const longest = 500;

/**
 * What may be kept of an error for people who run this: a refusal's code and public sentence, of
 * anything else its kind and code. Messages of others stay out: they may repeat what a customer
 * wrote, or a key.
 */
export function describeError(error: unknown): string {
  if (error instanceof DomainError) {
    const { reason } = error.detail.extra ?? {};
    const why = typeof reason === "string" ? ` (${reason})` : "";
    return `${error.code}: ${error.message}${why}`.slice(0, longest);
  }
  if (!(error instanceof Error)) return typeof error;
  const { code, constraint_name } = error as Error & { code?: unknown; constraint_name?: unknown };
  return [error.name, code, constraint_name]
    .filter((part) => typeof part === "string" && part !== "")
    .join(" ")
    .slice(0, longest);
}
