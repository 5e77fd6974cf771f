import { DomainError } from "@ducat/types/errors";
import type { Db } from "./connect.ts";
import type { RequestKey } from "./credits.ts";
import { ask } from "./errors.ts";

export type Request = RequestKey & {
  accountId: string;
  /** What kind of request it is: the same key may come again for another kind. */
  scope: string;
};

/**
 * Runs a request once per key, where running it asks a provider: its first answer is kept, as the
 * text that it was, for every repeat. A request that throws keeps nothing; one whose process dies
 * lets go of its key after `holdSeconds`, which is longer than it may run.
 * Errors: in_progress (another one with this key is running), idempotency_conflict, those of `run`.
 */
export async function answerOnce(
  db: Db,
  request: Request & { holdSeconds: number },
  run: () => Promise<string>,
): Promise<{ answer: string; replayed: boolean }> {
  const { accountId, scope, key, fingerprint, holdSeconds } = request;
  const [held] = await ask(db<{ found: { answer?: string; busy?: true } }[]>`
    SELECT ducat.claim_request(${accountId}, ${scope}, ${key}, ${fingerprint}, ${holdSeconds})
      AS found`);
  if (held?.found.answer !== undefined) return { answer: held.found.answer, replayed: true };
  if (held?.found.busy) throw new DomainError("in_progress");
  try {
    const [kept] = await keepAnswer(db, request, await run());
    return { answer: kept?.answer ?? "", replayed: false };
  } catch (error) {
    // Without it the key would only be held until its time is over.
    await ask(db`SELECT ducat.release_request(${accountId}, ${scope}, ${key}, ${fingerprint})`)
      // What is told is why it failed.
      .catch(() => undefined);
    throw error;
  }
}

function keepAnswer(db: Db, { accountId, scope, key, fingerprint }: Request, answer: string) {
  return ask(db<{ answer: string }[]>`
    SELECT ducat.keep_request_answer(${accountId}, ${scope}, ${key}, ${fingerprint},
      to_jsonb(${answer}::text)) #>> '{}' AS answer`);
}
