import { DomainError } from "@ducat/types/errors";

/** A refusal as its code and its members; throws when the call went through or broke. */
export async function refusalOf(call: PromiseLike<unknown>): Promise<Record<string, unknown>> {
  let result: unknown;
  try {
    result = await call;
  } catch (error) {
    if (error instanceof DomainError) return { code: error.code, ...error.detail.extra };
    throw error;
  }
  throw new Error(`it was not refused but answered ${JSON.stringify(result)}`);
}

/** How each of many calls ended: `ok`, `replayed`, or the code of the refusal, with its count. */
export async function countOutcomes(
  calls: PromiseLike<unknown>[],
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const outcome of await Promise.all(calls.map(outcomeOf))) {
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

async function outcomeOf(call: PromiseLike<unknown>): Promise<string> {
  try {
    const result = (await call) as { replayed?: boolean } | undefined;
    return result?.replayed ? "replayed" : "ok";
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
}
