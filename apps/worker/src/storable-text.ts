import { toUSVString } from "node:util";

/** The first `limit` characters as PostgreSQL can keep them: no NUL, no lone surrogate. */
export function toStorable(text: string, limit: number): string {
  return toUSVString(text.replaceAll("\0", "").slice(0, limit));
}
