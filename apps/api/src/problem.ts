import { DomainError, type ErrorDetail, errors, type Fault } from "@ducat/types/errors";
import type { Problem } from "@ducat/types/problem";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";
import type { AppEnv } from "./deps.ts";

const mostFaults = 20;
const longestPointer = 200;
const retryAfterSeconds = { unavailable: "5", rate_limited: "1" } as Record<string, string>;

/** Any error as the refusal that a client is told; what we don't know says nothing. */
export function toRefusal(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof HTTPException) {
    if (error.status === 415) return new DomainError("unsupported_media_type");
    if (error.status < 500) return new DomainError("malformed_body");
  }
  return new DomainError("internal");
}

/** Whether a refusal is a limit that was reached, and nothing that is broken. */
export const isBusy = ({ code, detail }: DomainError): boolean =>
  code === "unavailable" && detail.extra?.reason === "busy";

/** The answer to a refused request: RFC 9457, with our stable `code`. */
export function answerProblem(c: Context<AppEnv>, refusal: DomainError): Response {
  const body = makeProblem(refusal, c.var.requestId ?? "");
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  const known = refusal.detail.extra?.retry_after_s;
  const retryAfter = known === undefined ? retryAfterSeconds[refusal.code] : String(known);
  if (retryAfter) headers["retry-after"] = retryAfter;
  if (refusal.code === "unauthenticated") headers["www-authenticate"] = 'Bearer realm="ducat"';
  return c.body(JSON.stringify(body), body.status as ContentfulStatusCode, headers);
}

/** The document alone, for answers that are written before there is a request. */
export function makeProblem({ code, detail }: DomainError, requestId: string): Problem {
  const { status, title } = errors[code];
  // What a thing's state is must not pass for the status of the answer.
  const { status: current_status, ...extra } = detail.extra ?? {};
  return {
    ...extra,
    ...(current_status !== undefined && { current_status }),
    type: `urn:ducat:problem:${code}`,
    title,
    status,
    code,
    ...(detail.detail !== undefined && { detail: detail.detail }),
    request_id: requestId,
    ...(detail.errors && { errors: detail.errors }),
  };
}

/** What a failed check of the request says. A path that can't be an id is no id: not_found. */
export function refuseInvalid(target: string, error: z.ZodError): DomainError {
  if (target === "param") return new DomainError("not_found");
  const start = target === "json" ? "" : `#/${target}`;
  const faults = error.issues.flatMap((issue) => listFaults(issue, start));
  return new DomainError("validation_failed", { errors: faults.slice(0, mostFaults) });
}

/** Faults of the body that a check of our own has found, each with its path. */
export function refuseFaults(
  found: readonly { path: PropertyKey[]; message: string }[],
): DomainError {
  const faults = found.map(({ path, message }) => ({
    pointer: toPointer("", path),
    detail: message,
  }));
  return new DomainError("validation_failed", { errors: faults.slice(0, mostFaults) });
}

/** One fault of the request outside any schema. */
export function refuseAt(pointer: string, detail: string): DomainError {
  const errors: ErrorDetail["errors"] = [{ pointer, detail }];
  return new DomainError("validation_failed", { detail, errors });
}

function listFaults(issue: z.core.$ZodIssue, start: string): Fault[] {
  const at = (path: PropertyKey[]) => toPointer(start, path);
  if (issue.code === "unrecognized_keys") {
    const detail = "There is no such member here.";
    return issue.keys.map((key) => ({ pointer: at([...issue.path, key]), detail }));
  }
  if (issue.code === "invalid_union") {
    // Of several shapes, tell the faults of the one that was meant: where at least the type fits.
    const meant = issue.errors.find(([first]) => first && !isWrongType(first));
    const inside = (path: PropertyKey[]) => [...issue.path, ...path];
    const nested = meant?.map((one) => ({ ...one, path: inside(one.path) }));
    if (nested) return nested.flatMap((one) => listFaults(one, start));
  }
  return [{ pointer: at(issue.path), detail: issue.message }];
}

const isWrongType = ({ code, path }: z.core.$ZodIssue) =>
  code === "invalid_type" && path.length === 0;

/** RFC 6901. The names may be the client's own, of any length. */
function toPointer(start: string, path: PropertyKey[]): string {
  const parts = path.map((part) => String(part).replaceAll("~", "~0").replaceAll("/", "~1"));
  return [start, ...parts].join("/").slice(0, longestPointer);
}
