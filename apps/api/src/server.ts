import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { DomainError } from "@ducat/types/errors";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { AppEnv } from "./deps.ts";
import { makeProblem } from "./problem.ts";

const limits = {
  /** Bytes of the request line and all headers. */
  maxHeaderSize: 16 * 1024,
  headersTimeout: 15_000,
  /** For a whole request: 15 MiB in this time is 2 Mbit/s. */
  requestTimeout: 60_000,
  /** Longer than the usual 60 s of load balancers, so that they hang up first. */
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

export type RunningServer = {
  port: number;
  /** Takes no more connections and waits for the running requests, `graceMs` at most. */
  close(graceMs: number): Promise<void>;
};

/** Serves the app. Rejects when the address can't be had. */
export async function startServer(
  app: Hono<AppEnv>,
  { host, port }: { host: string; port: number },
): Promise<RunningServer> {
  const malformed = () => makeProblem(new DomainError("malformed_body"), "");
  const listener = getRequestListener(app.fetch, {
    hostname: "localhost",
    // Only what is wrong before there is a request comes here: its address or its Host.
    errorHandler: () =>
      new Response(JSON.stringify(malformed()), {
        status: 400,
        headers: { "content-type": "application/problem+json" },
      }),
  });
  const server = createServer(limits, listener);
  server.on("clientError", answerClientError);
  await listen(server, host, port);
  return { port: (server.address() as AddressInfo).port, close: (ms) => closeServer(server, ms) };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** What Node's parser refuses never becomes a request; the client is told all the same. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const code = error.code === "HPE_HEADER_OVERFLOW" ? "payload_too_large" : "malformed_body";
  const body = JSON.stringify(makeProblem(new DomainError(code), ""));
  const status = code === "payload_too_large" ? "413 Content Too Large" : "400 Bad Request";
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  const force = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(force);
}
