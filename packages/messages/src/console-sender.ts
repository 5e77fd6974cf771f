import type { Log, MessageSender } from "./sender.ts";

/**
 * Writes what it would send to the log, for trying out: kind and the recipient's domain or country;
 * the text at level debug only, since it may be somebody's.
 */
export function createConsoleSender(options: {
  channel: "email" | "sms";
  log: Log;
}): MessageSender {
  const { channel, log } = options;
  return {
    async send({ id, kind, to, subject, text, sms }) {
      const recipient = channel === "email" ? `…@${to.split("@").at(-1)}` : `${to.slice(0, 3)}…`;
      log.info({ channel, kind, recipient, id }, "a message, not sent (console)");
      log.debug({ id, ...(channel === "email" ? { subject, text } : { text: sms }) }, "its text");
    },
    async close() {},
  };
}
