import { z } from "zod";

/** One address and nothing else: no display name, no list, no comment, no quotes. */
export const isAddress = (text: string): boolean =>
  text.length <= 320 && /^[^\s<>"(),:;\\[\]@\p{Cc}]+@[^\s<>"(),:;\\[\]@\p{Cc}]+$/u.test(text);

export type Sender = { name: string; address: string };

/** `Shop <mail@shop.example>` or the address alone; undefined for anything else. */
export function readSender(text: string): Sender | undefined {
  const [, name = "", inside, alone] = /^(?:"?([^"<>]*?)"?\s*<([^<>]+)>|(\S+))$/.exec(text) ?? [];
  const address = inside ?? alone ?? "";
  return isAddress(address) ? { name, address } : undefined;
}

/** What sending messages reads from the environment. */
export const MessageSettings = z.object({
  /** Unset: mails go to the log in test mode, and wait in live mode. */
  SMTP_URL: z
    .string()
    .refine((text) => text === "console" || /^smtps?:\/\/[^\s/]+/.test(text), {
      error: "begins with smtp:// or smtps://, or is console",
    })
    .optional(),
  MAIL_FROM: z
    .string()
    .transform((text, context) => {
      const sender = readSender(text);
      if (!sender)
        context.addIssue({ code: "custom", message: "is as in Shop <mail@shop.example>" });
      return sender ?? z.NEVER;
    })
    .optional(),
  /** Where text messages are posted to; unset as with SMTP_URL. */
  SMS_URL: z
    .string()
    .refine((text) => text === "console" || (/^https?:/.test(text) && URL.canParse(text)), {
      error: "begins with https://, or is console",
    })
    .optional(),
  /** Sent to the gateway as a bearer token. */
  SMS_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]+$/, "is printable ASCII without spaces")
    .optional(),
  /** The number or name that text messages come from. */
  SMS_SENDER: z.string().max(32, "has at most 32 characters").optional(),
});
export type MessageSettings = z.infer<typeof MessageSettings>;

/** What one variable can't say alone, for `superRefine`. */
export function checkMessageSettings(
  settings: MessageSettings & { DUCAT_MODE: "test" | "live" },
  context: z.RefinementCtx,
): void {
  const { SMTP_URL, MAIL_FROM, SMS_URL, DUCAT_MODE: mode } = settings;
  const refuse = (name: keyof MessageSettings, message: string) =>
    context.addIssue({ code: "custom", path: [name], message });
  const isServer = SMTP_URL !== undefined && SMTP_URL !== "console";
  if (isServer && MAIL_FROM === undefined) refuse("MAIL_FROM", "is needed with SMTP_URL");
  if (mode === "test") return;
  if (SMTP_URL === "console") refuse("SMTP_URL", "is console in test mode only");
  if (SMS_URL === "console") refuse("SMS_URL", "is console in test mode only");
  if (SMS_URL?.startsWith("http:")) refuse("SMS_URL", "begins with https:// in live mode");
}
