import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { Limit, Refused } from "./rate-limits.ts";
import { toLimitRows } from "./rate-limits.ts";

export type Channel = "email" | "phone";

/** Whose session asks; it is the only one that may go on. */
export type Asker = { loginId: string; sessionId: string };

export type NewChange = {
  channel: Channel;
  /** In lower case, or in E.164. */
  address: string;
  hash: Buffer;
  /** The message's data, of which the code is a sealed part, and the language it speaks. */
  message: { sealed: string; locale: string };
};

/**
 * Keeps the address that a login wants to have and queues the message that brings the code there;
 * or tells which limit refused. Errors: not_found (the session has ended).
 */
export async function startLoginChange(
  db: Db,
  { loginId, sessionId }: Asker,
  { change, limits }: { change: NewChange; limits: readonly Limit[] },
): Promise<Refused | undefined> {
  const { channel, address, hash, message } = change;
  const kept = JSON.stringify({ channel, address, hash: hash.toString("hex") });
  const [row] = await ask(db<{ refused: { key: string; retry_after_s: number } | null }[]>`
    SELECT ducat.start_login_change(${loginId}, ${sessionId}, ${kept}::text::jsonb,
      ${JSON.stringify(message)}::text::jsonb,
      ${JSON.stringify(toLimitRows(limits))}::text::jsonb) AS refused`);
  const refused = row?.refused;
  return refused ? { key: refused.key, retryAfterSeconds: refused.retry_after_s } : undefined;
}

export type ChangeGuess = {
  channel: Channel;
  address: string;
  /** The code's HMAC by each of our secrets. */
  hashes: readonly Buffer[];
  /** What whoever had the address before is told, sealed. */
  notice: { sealed: string };
};

/** `taken`: the code was right, and another login is proven to have the address. */
export type ChangeOutcome = "changed" | "wrong" | "taken";

/** Judges a code and gives the login its new address when it is right. */
export async function useLoginChange(
  db: Db,
  { loginId, sessionId }: Asker,
  { guess, audit }: { guess: ChangeGuess; audit: Audit },
): Promise<ChangeOutcome> {
  const hashes = guess.hashes.map((hash) => hash.toString("hex"));
  const [row] = await ask(db<{ outcome: ChangeOutcome }[]>`
    SELECT ducat.use_login_change(${loginId}, ${sessionId},
      ${JSON.stringify({ ...guess, hashes })}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb) AS outcome`);
  if (!row) throw new Error("use_login_change returned nothing");
  return row.outcome;
}
