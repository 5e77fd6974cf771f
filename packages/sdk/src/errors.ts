import type { Problem } from "./types.ts";

/** What went wrong: a code of the API (docs/errors.md), or one of what never became an answer. */
export type ErrorCode = Problem["code"] | "connection_failed" | "timed_out" | "unexpected_answer";

/** What the answer to a refusal has beside the common members. */
type Extras = {
  insufficient_credits: { required: number; available: number; subject?: string | null };
  quota_exceeded: { quota: string; limit: number; current: number };
  rate_limited: { policy?: string; retry_after_s?: number };
};
type ExtraOf<C extends ErrorCode> = C extends keyof Extras ? Extras[C] : Record<string, unknown>;

type Facts = {
  message: string;
  /** HTTP status; 0 if left out: there was no answer. */
  status?: number;
  requestId?: string | undefined;
  /** Seconds that the server asked to wait. */
  retryAfterS?: number | undefined;
  problem?: Partial<Problem>;
};

/** A request that was refused or got no answer. Program against `code`. */
export class DucatError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Name it when you ask for help. */
  readonly requestId: string | undefined;
  readonly retryAfterS: number | undefined;
  /** What is wrong with the request: JSON pointers and sentences. */
  readonly errors: readonly { pointer: string; detail: string }[];
  /** What the code has to say beside that. */
  readonly extra: ExtraOf<C>;

  constructor(code: C, facts: Facts, options?: ErrorOptions) {
    super(facts.message, options);
    this.name = "DucatError";
    this.code = code;
    this.status = facts.status ?? 0;
    const {
      type,
      title,
      status,
      detail,
      request_id,
      errors = [],
      ...extra
    } = {
      ...facts.problem,
    };
    delete extra.code;
    this.requestId = facts.requestId ?? request_id;
    this.retryAfterS = facts.retryAfterS;
    this.errors = errors;
    this.extra = extra as ExtraOf<C>;
  }
}

/** @public */
export type InsufficientCreditsError = DucatError<"insufficient_credits">;
/** @public */
export type QuotaExceededError = DucatError<"quota_exceeded">;
/** @public */
export type RateLimitedError = DucatError<"rate_limited">;

/** Whether it is a refusal of this kind, whose `extra` is typed then; without a code: of any. */
export function isDucatError<C extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: C,
): error is DucatError<C> {
  return error instanceof DucatError && (code === undefined || error.code === code);
}

/** The error of an answer that is none of 2xx. */
export async function readError(response: Response): Promise<DucatError> {
  const { status, headers } = response;
  const text = await response.text().catch(() => "");
  const problem = parseProblem(text);
  const requestId = headers.get("x-request-id") ?? undefined;
  const retryAfterS = readRetryAfter(headers.get("retry-after"));
  const facts = { status, requestId, retryAfterS };
  if (!problem) {
    // Not of the API, but of something before it.
    const message = `The server answered ${status}.`;
    return new DucatError("unexpected_answer", { ...facts, message });
  }
  const faults = problem.errors?.slice(0, 3).map((one) => `${one.pointer}: ${one.detail}`) ?? [];
  const message = [problem.detail ?? problem.title ?? problem.code, ...faults].join(" ");
  return new DucatError(problem.code, { ...facts, message, problem });
}

function parseProblem(text: string): (Partial<Problem> & Pick<Problem, "code">) | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isProblem =
      typeof value === "object" &&
      value !== null &&
      "code" in value &&
      typeof value.code === "string";
    return isProblem ? (value as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds from now, of a number or a date (RFC 9110, 10.2.3). */
function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d{1,9}$/.test(header.trim())
    ? Number(header)
    : (Date.parse(header) - Date.now()) / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
