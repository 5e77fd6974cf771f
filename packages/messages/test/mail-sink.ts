import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer } from "smtp-server";

/** What the server does with one mail; left out, it accepts. */
export type Wish =
  | { at: "auth" | "mail" | "rcpt" | "data"; code: number; text?: string }
  /** Takes the whole mail and closes the connection instead of answering. */
  | "drop"
  /** Takes the whole mail and never answers. */
  | "silence";

export type ReceivedMail = Email & { raw: string; envelope: { from: string; to: string[] } };

export type MailSink = {
  url: string;
  port: number;
  /** All that came in, also what was not answered with success. */
  mails: ReceivedMail[];
  /** What to do with the next mails, in their order. */
  wishes: Wish[];
  connections: number;
  /** Called when a mail is there, before it is answered. */
  onMail?: (mail: ReceivedMail) => unknown;
  close(): Promise<void>;
};

/** A mail server on a port of its own, which keeps what it gets. */
export async function startMailSink(): Promise<MailSink> {
  const sockets = new Set<Socket>();
  const wish = (at: "auth" | "mail" | "rcpt" | "data") => {
    const [next] = sink.wishes;
    if (typeof next !== "object" || next.at !== at) return null;
    sink.wishes.shift();
    const message = next.text ?? "no";
    return Object.assign(new Error(message), { responseCode: next.code });
  };
  const server = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    onAuth: (auth, _session, done) => done(wish("auth"), { user: auth.username }),
    onMailFrom: (_address, _session, done) => done(wish("mail")),
    onRcptTo: (_address, _session, done) => done(wish("rcpt")),
    onData(stream, session, done) {
      const { mailFrom, rcptTo } = session.envelope;
      const from = mailFrom ? mailFrom.address : "";
      const envelope = { from, to: rcptTo.map(({ address }) => address) };
      void (async () => {
        const raw = await text(stream);
        const mail = { ...(await PostalMime.parse(raw)), raw, envelope };
        sink.mails.push(mail);
        await sink.onMail?.(mail);
        const [next] = sink.wishes;
        if (next === "silence") return void sink.wishes.shift();
        if (next !== "drop") return done(wish("data"));
        sink.wishes.shift();
        for (const socket of sockets) socket.destroy();
      })();
    },
  });
  server.on("error", () => {});
  server.server.on("connection", (socket: Socket) => {
    sink.connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.server.address() as AddressInfo;
  const sink: MailSink = {
    port,
    url: `smtp://127.0.0.1:${port}`,
    mails: [],
    wishes: [],
    connections: 0,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return sink;
}

/** A server that writes what it is told to each connection, and what it is told again and again. */
export async function startOddServer(talk: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    talk(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}
