import type { Db } from "@ducat/db/connect";
import {
  type Channel,
  type ClaimedMessage,
  claimMessages,
  type MessageOutcome,
  recordMessage,
} from "@ducat/db/messages";
import { DeliveryError } from "@ducat/messages/delivery-error";
import { type RenderOptions, renderMessage } from "@ducat/messages/render-message";
import type { Seal } from "@ducat/messages/seal";
import type { MessageSender } from "@ducat/messages/sender";
import type { Senders } from "@ducat/messages/senders";
import type { Log } from "../log.ts";
import { safeError } from "../safe-error.ts";
import { waitForDatabase } from "../wait-for-database.ts";

/** As many as the mailer has connections, so that none waits for another. */
const batch = 5;

export type SendMessagesDeps = RenderOptions & {
  db: Db;
  senders: Senders;
  /** Opens the data of messages that hold a secret. */
  seal: Pick<Seal, "open">;
  log: Log;
  /** Longer than the slowest attempt and its record together. */
  leaseSeconds: number;
  /** How long the record of an attempt waits for a database that is away. */
  databaseWaitMs: number;
};

/**
 * Makes one round over the due messages of every channel that has a sender; those of another wait.
 * At least once: what was handed over and not recorded is sent again under the same id. Several
 * workers may run it at once; the database gives each its messages. Returns how many it tried.
 */
export function createSendMessages(
  deps: SendMessagesDeps,
): (signal: AbortSignal) => Promise<number> {
  const { email, sms } = deps.senders;
  return async (signal) => {
    const rounds = await Promise.allSettled([
      email ? sendChannel(deps, { channel: "email", sender: email, signal }) : 0,
      sms ? sendChannel(deps, { channel: "sms", sender: sms, signal }) : 0,
    ]);
    let tried = 0;
    for (const round of rounds) {
      if (round.status === "rejected") throw round.reason;
      tried += round.value;
    }
    return tried;
  };
}

type Round = { channel: Channel; sender: MessageSender; signal: AbortSignal };

async function sendChannel(deps: SendMessagesDeps, round: Round): Promise<number> {
  const { db, leaseSeconds } = deps;
  const { channel, sender, signal } = round;
  let tried = 0;
  while (!signal.aborted) {
    const messages = await claimMessages(db, { channel, limit: batch, leaseSeconds });
    const attempts = messages.map((message) => sendMessage(deps, sender, message));
    const outcomes = await Promise.all(attempts);
    tried += messages.length;
    if (messages.length < batch) break;
    // The server is away: the rest need not find out one by one.
    if (outcomes.every((outcome) => outcome === "retry")) break;
  }
  return tried;
}

async function sendMessage(
  deps: SendMessagesDeps,
  sender: MessageSender,
  message: ClaimedMessage,
): Promise<MessageOutcome["outcome"]> {
  const { db, log, databaseWaitMs } = deps;
  const { id, kind, attempt } = message;
  const result = await attemptMessage(deps, sender, message);
  const record = () => recordMessage(db, message, result);
  try {
    const status = await waitForDatabase(databaseWaitMs, record);
    const line = { message: id, kind, attempt, status };
    if (result.outcome === "sent") log.info(line, "sent a message");
    else log.warn({ ...line, error: result.error }, "a message was not sent");
  } catch (error) {
    // It comes back by its lease, and the recipient's mailbox knows its id.
    log.error({ message: id, err: safeError(error) }, "a message's attempt was not recorded");
  }
  return result.outcome;
}

async function attemptMessage(
  { log, publicUrl, loginPageUrl, brand, seal }: SendMessagesDeps,
  sender: MessageSender,
  message: ClaimedMessage,
): Promise<MessageOutcome> {
  const { id, kind, locale, name, recipient: to } = message;
  try {
    const data = seal.open(message.data);
    const how = { publicUrl, loginPageUrl, brand };
    const rendered = await renderMessage({ kind, data, locale, name }, how);
    await sender.send({ ...rendered, id, kind, to });
    return { outcome: "sent" };
  } catch (error) {
    if (error instanceof DeliveryError) {
      return { outcome: error.isFinal ? "failed" : "retry", error: error.message };
    }
    log.error({ message: id, kind, err: safeError(error) }, "a message could not be made");
    return { outcome: "retry", error: "could not be made or sent (see the log)" };
  }
}
