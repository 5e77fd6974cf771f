import { createConsoleSender } from "./console-sender.ts";
import { createMailer } from "./mailer.ts";
import type { Log, MessageSender } from "./sender.ts";
import type { MessageSettings } from "./settings.ts";
import { createSmsGateway } from "./sms-gateway.ts";

/** A sender for each channel that there is one for; messages of the others wait. */
export type Senders = { email?: MessageSender; sms?: MessageSender };

/** The senders that the settings name; in test mode the log stands in for those left out. */
export function createSenders(
  settings: MessageSettings & { DUCAT_MODE: "test" | "live" },
  log: Log,
): Senders {
  const { SMTP_URL, MAIL_FROM, SMS_URL, SMS_TOKEN: token, SMS_SENDER: sender } = settings;
  const fallback = settings.DUCAT_MODE === "test" ? "console" : undefined;
  const smtp = SMTP_URL ?? fallback;
  const sms = SMS_URL ?? fallback;
  const senders: Senders = {};
  if (smtp === "console") senders.email = createConsoleSender({ channel: "email", log });
  else if (smtp && MAIL_FROM) senders.email = createMailer({ url: smtp, from: MAIL_FROM });
  if (sms === "console") senders.sms = createConsoleSender({ channel: "sms", log });
  else if (sms) senders.sms = createSmsGateway({ url: sms, token, sender });
  return senders;
}
