import type { Problem } from "./types.ts";

/** What went wrong: a code of the API (docs/errors.md), or one of what never became an answer. */
export type ErrorCode = Problem["code"] | "connection_failed" | "timed_out" | "unexpected_answer";

/** What the answer to a refusal has beside the common members. */
type Extras = {
  insufficient_credits: { required: number; available: number; subject?: string | null };
  quota_exceeded: { quota: string; limit: number; current: number };
  rate_limited: { policy?: string; retry_after_s?: number };
  /** Of a wait: the generation, which goes on. */
  timed_out: { generation_id?: string };
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
  // By its name: there may be another copy of this package in the process.
  const isOurs = error instanceof Error && error.name === "DucatError" && "code" in error;
  return isOurs && (code === undefined || error.code === code);
}

/** The error of an answer that is none of 2xx. Rejects when it is cut off. */
export async function readError(response: Response): Promise<DucatError> {
  const { status, headers } = response;
  const problem = parseProblem(await response.text());
  const requestId = headers.get("x-request-id") ?? undefined;
  const retryAfterS = readRetryAfter(headers);
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

type Known = Partial<Problem> & Pick<Problem, "code">;

/** What is not as the API says it comes from somebody else and is left out. */
function parseProblem(text: string): Known | undefined {
  const { code, detail, title, request_id, errors, ...rest } = parseObject(text);
  if (typeof code !== "string") return undefined;
  const strings = Object.entries({ detail, title, request_id }).filter(([, one]) => isString(one));
  const faults = Array.isArray(errors) ? errors.filter(isFault) : [];
  return { ...rest, ...Object.fromEntries(strings), code: code as Problem["code"], errors: faults };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    return { ...JSON.parse(text) };
  } catch {
    return {};
  }
}

const isString = (value: unknown) => typeof value === "string";
const isFault = (one: { pointer?: unknown; detail?: unknown } | null) =>
  isString(one?.pointer) && isString(one?.detail);

/** Seconds from now, of a number or a date by the server's own clock (RFC 9110, 10.2.3). */
function readRetryAfter(headers: Headers): number | undefined {
  const after = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(after)) return Number(after);
  // Anything else with a number in it is a date to some engine.
  if (!/^[A-Z][a-z]+,/.test(after)) return undefined;
  // Pages may not read it, nor do all servers send it.
  const date = Date.parse(headers.get("date") ?? "");
  const seconds = (Date.parse(after) - (Number.isNaN(date) ? Date.now() : date)) / 1_000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}
