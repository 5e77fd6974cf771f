import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

export type Received = { path: string; headers: Record<string, string>; body: string };

export type Receiver = {
  /** With the port, as FETCH_ALLOW_HOSTS wants it. */
  host: string;
  url: string;
  /** Everything that came, in order. */
  received: Received[];
  /** How requests are answered; 204 unless a test says otherwise. */
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
  close(): Promise<void>;
};

/** Somebody who receives webhooks. */
export async function openReceiver(): Promise<Receiver> {
  const server = http.createServer(async (request, response) => {
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    const headers = request.headers as Record<string, string>;
    receiver.received.push({ path: request.url ?? "", headers, body });
    receiver.answer(request, response, body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const receiver: Receiver = {
    host,
    url: `http://${host}/hook`,
    received: [],
    answer: (_, response) => void response.writeHead(204).end(),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return receiver;
}

/** What the standard's own library makes of it; throws when it isn't signed by this secret. */
export const verify = ({ body, headers }: Received, secret: string) =>
  new Webhook(secret).verify(body, headers) as Record<string, unknown>;
