import { DeliveryError } from "./delivery-error.ts";
import type { MessageSender, Outgoing } from "./sender.ts";
import { isAddress, type Sender } from "./settings.ts";

export type MailerTimings = {
  connectMs: number;
  greetingMs: number;
  /** Silence of a connected server. */
  idleMs: number;
  /** A whole attempt, also of a server that sends a byte now and then. */
  sendMs: number;
};

const defaultTimings: MailerTimings = {
  connectMs: 10_000,
  greetingMs: 20_000,
  idleMs: 20_000,
  sendMs: 30_000,
};

export type MailerOptions = {
  /** smtp:// or smtps://, with user and password; its query may set nodemailer's options. */
  url: string;
  from: Sender;
  timings?: Partial<MailerTimings>;
  /** How many connections at once. */
  connections?: number;
};

/**
 * Sends mails by SMTP. A message keeps its Message-ID at every attempt, so that a mailbox shows it
 * once although it may be handed over twice. Refusals of the recipient and of the content are
 * final; refusals of ourselves (login, sender, greeting) are for the operator to mend and are tried
 * again, like everything that passes.
 */
export function createMailer(options: MailerOptions): MessageSender {
  const { from } = options;
  const timings = { ...defaultTimings, ...options.timings };
  let opened: ReturnType<typeof openTransport> | undefined;
  return {
    async send(message) {
      if (!isAddress(message.to)) {
        throw new DeliveryError("the recipient is no address", { isFinal: true });
      }
      opened ??= openTransport(options, timings);
      const transport = await opened;
      const signal = AbortSignal.timeout(timings.sendMs);
      try {
        await transport.sendMail({ ...composeMail(message, from), signal });
      } catch (error) {
        throw readRefusal(error);
      }
    },
    async close() {
      const transport = await opened;
      transport?.close({ force: true });
    },
  };
}

/** Loaded with the first mail: a worker that sends none starts without it. */
async function openTransport({ url, connections = 5 }: MailerOptions, timings: MailerTimings) {
  const { createTransport } = await import("nodemailer");
  const { username, hostname } = new URL(url);
  return createTransport({
    url,
    pool: true,
    maxConnections: connections,
    // Ours is the only retry engine.
    maxRequeues: 0,
    // Shorter than any server's patience, so that none closes while we begin to write.
    idleTimeout: 5_000,
    connectionTimeout: timings.connectMs,
    dnsTimeout: timings.connectMs,
    greetingTimeout: timings.greetingMs,
    socketTimeout: timings.idleMs,
    // Nobody on the way may talk us out of encrypting a password.
    requireTLS: username !== "" && !isLoopback(hostname),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

const isLoopback = (host: string) => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host);

function composeMail({ id, to, subject, text, html }: Outgoing, from: Sender) {
  return {
    from,
    to: { name: "", address: to },
    envelope: { from: from.address, to: [to] },
    messageId: `<${id}@${from.address.split("@").at(-1)}>`,
    subject,
    text,
    html,
    // RFC 3834: no vacation message shall answer it.
    headers: { "Auto-Submitted": "auto-generated" },
  };
}

type SmtpError = Error & { code?: string; command?: string; response?: string };

/** What SMTP answered, by its numbers only: its words may name a person. */
function readRefusal(error: unknown): DeliveryError {
  const { code = "error", command = "", response = "" } = error as SmtpError;
  if (code === "EABORT") {
    return new DeliveryError("SMTP: took too long", { isFinal: false, cause: error });
  }
  const [reply = ""] = /^\d{3}(?:[ -]\d\.\d{1,3}\.\d{1,3})?/.exec(response) ?? [];
  const isFinal = reply.startsWith("5") && (command === "RCPT TO" || command === "DATA");
  const said = [reply.replace("-", " "), command && `to ${command}`, `(${code})`].filter(Boolean);
  return new DeliveryError(`SMTP: ${said.join(" ")}`, { isFinal, cause: error });
}
