import { createHash } from "node:crypto";
import type { RequestKey } from "@ducat/db/credits";
import { DomainError } from "@ducat/types/errors";
import type { Context } from "hono";
import type { AppEnv } from "./deps.ts";
import { refuseAt } from "./problem.ts";

/**
 * The request's Idempotency-Key and the fingerprint of what it asks.
 * Errors: idempotency_key_required, validation_failed.
 */
export function readRequestKey(c: Context<AppEnv>): RequestKey {
  const header = c.req.header("idempotency-key")?.trim();
  if (!header) throw new DomainError("idempotency_key_required");
  const key = unquote(header);
  if (key === undefined || !/^[ -~]{1,255}$/.test(key)) {
    throw refuseAt("#/header/Idempotency-Key", "1 to 255 printable ASCII characters.");
  }
  return { key, fingerprint: makeFingerprint(`${c.req.method} ${c.req.path}`, c.var.sent) };
}

/** The key of `"…"`, the string of RFC 9651 that the header's draft asks for, or the bare text. */
function unquote(header: string): string | undefined {
  if (!header.startsWith('"')) return header;
  const [, inner] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(header) ?? [];
  return inner?.replace(/\\(["\\])/g, "$1");
}

/** The order of members and the spaces between them are not part of what was asked. */
function makeFingerprint(route: string, body: unknown): Buffer {
  return createHash("sha256")
    .update(`${route}\n${JSON.stringify(sortMembers(body)) ?? ""}`)
    .digest();
}

function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (typeof value !== "object" || value === null) return value;
  // Pairs and not an object: names that look like numbers would come first in any object.
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { "": members.map(([name, member]) => [name, sortMembers(member)]) };
}

/** Marks the answer to a repeated request. */
export function markReplay(c: Context<AppEnv>, replayed: boolean): void {
  if (replayed) c.header("Idempotent-Replayed", "true");
}
