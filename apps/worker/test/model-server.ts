import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { type Books, createBooks } from "./model-books.ts";
import { geminiWork } from "./model-gemini.ts";
import { openAiWork } from "./model-openai.ts";
import { makeResult } from "./model-picture.ts";
import { createResponses } from "./model-responses.ts";
import { playOrder, send, type Work } from "./play-order.ts";

/** One request as a route of the server sees it. */
export type Asked = {
  path: string;
  text: string;
  key: string | null;
  picture: Buffer;
  url: string;
};

export type ModelServer = {
  url: string;
  books: Books;
  /** What arrived: path, headers and text of each request, in order. */
  requests: { path: string; headers: IncomingMessage["headers"]; text: string }[];
  close(): Promise<void>;
};

/** More APIs than the two: undefined for a path that is another's. */
export type Route = (asked: Asked, incoming: IncomingMessage) => Work | undefined;
const ownRoutes: Route[] = [openAiWork, geminiWork];

/**
 * A provider of models on this machine: speaks the APIs of OpenAI and of Gemini, draws and writes
 * the same for everybody, plays faults as ordered, and keeps books. `keepsKeys` lets a repeated
 * Idempotency-Key have its first answer.
 */
export async function startModelServer(
  options: { keepsKeys?: boolean; routes?: Route[] } = {},
): Promise<ModelServer> {
  const books = createBooks(options);
  const picture = await makeResult();
  const requests: ModelServer["requests"] = [];
  const routes = [...ownRoutes, createResponses(), ...(options.routes ?? [])];

  const serve = async (incoming: IncomingMessage, answer: ServerResponse) => {
    const path = incoming.url ?? "";
    if (path.startsWith("/stray")) books.strays.push(path);
    if (path.startsWith("/pictures/")) return sendPicture(answer, picture);
    const text = await readText(incoming);
    requests.push({ path, headers: incoming.headers, text });
    const key = incoming.headers["idempotency-key"]?.toString() ?? null;
    const asked = { path, text, key, picture, url };
    for (const route of routes) {
      const work = route(asked, incoming);
      if (work) return playOrder(books, books.find(work.text ?? text), work, answer);
    }
    send(answer, { status: 404, body: '{"error":{"message":"no such path"}}' });
  };
  const server = createServer((incoming, answer) => {
    serve(incoming, answer).catch(() => answer.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    books,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function sendPicture(answer: ServerResponse, picture: Buffer): void {
  answer.writeHead(200, { "content-type": "image/png" }).end(picture);
}

async function readText(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const part of incoming as AsyncIterable<Buffer>) chunks.push(part);
  return Buffer.concat(chunks).toString("latin1");
}
