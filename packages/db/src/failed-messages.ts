import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { Channel, MessageStatus } from "./messages.ts";

/** A message that could not be sent; its time is ISO 8601 as PostgreSQL writes it in JSON. */
export type FailedMessage = {
  id: string;
  account_id: string;
  kind: string;
  channel: Channel;
  status: MessageStatus;
  attempts: number;
  last_error: string | null;
  /** False: what it said is gone, as of every message with a secret. */
  can_retry: boolean;
  created_at: string;
};

type Filter = {
  accountId?: string | undefined;
  kind?: string | undefined;
  channel?: Channel | undefined;
  before?: string | undefined;
  limit: number;
};

/** Messages that could not be sent, newest first, `limit` (at most 101). */
export async function listFailedMessages(db: Db, filter: Filter): Promise<FailedMessage[]> {
  const { accountId = null, kind = null, channel = null, before = null, limit } = filter;
  const rows = await ask(db<{ message: FailedMessage }[]>`
    SELECT message FROM ducat.list_failed_messages(${accountId}, ${kind}, ${channel}, ${before},
      ${limit}) AS message`);
  return rows.map(({ message }) => message);
}

/**
 * Tries a failed message again, or gives it up. Errors: not_found (no such message has failed),
 * invalid_state (reason: data_removed).
 */
export async function settleFailedMessage(
  db: Db,
  id: string,
  { isRetry, audit }: { isRetry: boolean; audit: Audit },
): Promise<FailedMessage> {
  const [row] = await ask(db<{ message: FailedMessage }[]>`
    SELECT ducat.settle_failed_message(${id}, ${isRetry},
      ${JSON.stringify(audit)}::text::jsonb) AS message`);
  if (!row) throw new Error("settle_failed_message returned nothing");
  return row.message;
}
