import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Fault, type Faults, makeFaults } from "./faults.ts";

export type Incoming = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | undefined>;
  raw: Buffer;
};
export type Answer = {
  status?: number;
  /** A string goes out as it is, anything else as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
};
export type TestServer = {
  url: string;
  faults: Faults;
  /** The next request whose "METHOD /path" contains the text is answered with this. */
  replay(match: string, answer: Answer): void;
  /** Every request that came, newest last. */
  requests: Incoming[];
  /** Ends every connection, those that hang too. */
  drop(): void;
  close(): Promise<void>;
};

/** A server on a port of its own that meets its faults and otherwise answers by `handle`. */
export async function startServer(
  handle: (request: Incoming) => Answer | Promise<Answer>,
): Promise<TestServer> {
  const faults = makeFaults();
  const requests: Incoming[] = [];
  const recorded: { match: string; answer: Answer }[] = [];
  const answer = (incoming: Incoming) => {
    requests.push(incoming);
    const line = `${incoming.method} ${incoming.path}`;
    const index = recorded.findIndex(({ match }) => line.includes(match));
    return index < 0 ? handle(incoming) : (recorded.splice(index, 1)[0]?.answer ?? {});
  };
  const server = createServer((request, response) => {
    serve({ request, response, handle: answer, faults }).catch(() => request.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    faults,
    requests,
    replay: (match, reply) => {
      recorded.push({ match, answer: reply });
    },
    drop: () => server.closeAllConnections(),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(exchange: {
  request: IncomingMessage;
  response: ServerResponse;
  handle: (request: Incoming) => Answer | Promise<Answer>;
  faults: Faults;
}): Promise<void> {
  const { request, response, handle, faults } = exchange;
  const incoming = await readRequest(request);
  const fault = faults.take(`${incoming.method} ${incoming.path}`);
  if (fault && !fault.endsWith("_after")) return misbehave(fault, request, response);
  const answer = await handle(incoming);
  if (fault) return misbehave(fault.replace("_after", "") as Fault, request, response);
  const { status = 200, body, headers } = answer;
  const text = typeof body === "string" ? body : JSON.stringify(body ?? {});
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(text);
}

function misbehave(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
  const html = "<!doctype html><title>502 Bad Gateway</title>";
  // "hang" answers nothing at all: the caller's own time-out has to end it.
  if (fault === "reset") request.socket.destroy();
  if (fault === "status_500") response.writeHead(500).end('{"error":{"message":"oops"}}');
  if (fault === "status_401") response.writeHead(401).end('{"error":{"message":"no"}}');
  if (fault === "status_429") response.writeHead(429).end('{"error":{"message":"slow down"}}');
  if (fault === "html") response.writeHead(200, { "content-type": "text/html" }).end(html);
  if (fault === "huge") response.writeHead(200).end(`{"x":"${"x".repeat(4 * 1024 * 1024)}"}`);
}

async function readRequest(request: IncomingMessage): Promise<Incoming> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const url = new URL(request.url ?? "/", "http://localhost");
  return {
    method: request.method ?? "GET",
    path: decodeURIComponent(url.pathname),
    query: url.searchParams,
    headers: request.headers as Record<string, string | undefined>,
    raw: Buffer.concat(chunks),
  };
}
