import { DomainError, type ErrorCode } from "@ducat/types/errors";
import postgres from "postgres";

/** The SQL functions' refusals: SQLSTATE to code. The other half is the header of ledger.sql. */
const refusals: Record<string, ErrorCode> = {
  DU001: "insufficient_credits",
  DU002: "idempotency_conflict",
  DU003: "not_found",
  DU004: "account_frozen",
  DU005: "quota_exceeded",
  DU006: "invalid_state",
  DU007: "validation_failed",
  DU008: "already_exists",
};

/** Server or connection states in which the same call may work a moment later. */
const passing = new Set([
  "08000",
  "08003",
  "08006",
  "25006",
  "40001",
  "40P01",
  "53300",
  "55P03",
  "57014",
  "57P01",
  "57P02",
  "57P03",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
]);

/**
 * Awaits a query and turns what the database refuses into a DomainError: a function's refusal
 * into its code with the details as members, an unreachable or busy database into `unavailable`.
 * Anything else is thrown as it is: a fault of ours, for the logs.
 */
export async function ask<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await query;
  } catch (error) {
    throw toDomainError(error);
  }
}

export function toDomainError(error: unknown): unknown {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code !== "string") return error;
  const refusal = refusals[code];
  if (refusal) {
    const detail = error instanceof postgres.PostgresError ? error.detail : undefined;
    return new DomainError(refusal, { extra: detail ? JSON.parse(detail) : {} }, { cause: error });
  }
  return passing.has(code) ? new DomainError("unavailable", {}, { cause: error }) : error;
}

/** Whether a unique key of this name refused the write. */
function isDuplicate(error: unknown, constraint: string): boolean {
  return (
    error instanceof postgres.PostgresError &&
    error.code === "23505" &&
    error.constraint_name === constraint
  );
}

/**
 * As `ask`, for a call that is known by a key. Where a parallel request with that key has committed
 * first, the unique key refuses this one, and the same call, made again, finds what that one wrote.
 */
export async function askOnce<T>(constraint: string, call: () => PromiseLike<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isDuplicate(error, constraint)) throw toDomainError(error);
    return ask(call());
  }
}
