import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

export type Channel = "email" | "sms";

/** A message that this worker has until its lease is over. */
export type ClaimedMessage = {
  accountId: string;
  id: string;
  /** The number of this attempt, from 1; recordMessage names it. */
  attempt: number;
  kind: string;
  data: Record<string, unknown>;
  /** The account's e-mail address or phone number, as it is now. */
  recipient: string;
  /** The account's name, as its owner wrote it. */
  name: string | null;
  locale: string;
};

/** How an attempt ended; `error` is kept for the operator and names no person. */
export type MessageOutcome = { outcome: "sent" } | { outcome: "retry" | "failed"; error: string };

export type MessageStatus = "pending" | "sent" | "skipped" | "failed";

/** Takes due messages of a channel, `limit` (100) at most, for `leaseSeconds`. */
export async function claimMessages(
  db: Db,
  claim: { channel: Channel; limit: number; leaseSeconds: number },
): Promise<ClaimedMessage[]> {
  return ask(db<ClaimedMessage[]>`
    SELECT account_id AS "accountId", id, attempt, kind, data, recipient, name, locale
    FROM ducat.claim_messages(${claim.channel}, ${claim.limit}, ${claim.leaseSeconds})`);
}

/**
 * Writes down how an attempt ended and returns the message's status; a retry may have become
 * `failed`. Undefined when the message is not this attempt's any more.
 */
export async function recordMessage(
  db: Db,
  message: Pick<ClaimedMessage, "accountId" | "id" | "attempt">,
  result: MessageOutcome,
): Promise<MessageStatus | undefined> {
  const error = result.outcome === "sent" ? null : result.error;
  const [row] = await ask(db<{ status: MessageStatus | null }[]>`
    SELECT ducat.record_message(${message.accountId}, ${message.id}, ${message.attempt},
      ${result.outcome}, ${error}) AS status`);
  return row?.status ?? undefined;
}
