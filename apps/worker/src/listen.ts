import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Readiness } from "./readiness.ts";
import { safeError } from "./safe-error.ts";

const limits = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 65_000,
};
/** A scraper, a supervisor, a person who looks. */
const mostConnections = 50;

export type ListenDeps = {
  metrics: Pick<Metrics, "read">;
  readReadiness(): Promise<Readiness>;
  /** METRICS_TOKEN; without it /metrics is for this machine. */
  token: string | undefined;
  log: Log;
};

export type Listener = { port: number; close(): Promise<void> };

/**
 * Answers /livez, /readyz and /metrics, as the API does. Rejects when the address can't be had.
 */
export async function listen(
  deps: ListenDeps,
  { host, port }: { host: string; port: number },
): Promise<Listener> {
  const server = createServer(limits, (request, response) => {
    answer(deps, request, response).catch((error) => {
      deps.log.error({ err: safeError(error) }, "a request failed");
      if (response.headersSent) response.destroy();
      else problem(response, 500, "internal");
    });
  });
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

async function answer(
  deps: ListenDeps,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path] = (request.url ?? "").split("?");
  const isKnown = path === "/livez" || path === "/readyz" || path === "/metrics";
  if (!isKnown) return problem(response, 404, "not_found");
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return problem(response, 405, "method_not_allowed");
  }
  // Answering is the proof: what else is wrong is no reason to kill the process.
  if (path === "/livez") return send(response, 200, { status: "ok" });
  if (path === "/readyz") {
    const { ready, checks } = await deps.readReadiness();
    return send(response, ready ? 200 : 503, { status: ready ? "ok" : "unavailable", checks });
  }
  const refusal = refuseScraper(request, deps.token);
  if (refusal) return problem(response, ...refusal);
  const { text, type } = await deps.metrics.read();
  write(response, 200, { type, body: text });
}

const loopback = /^(?:127\.|::1$|::ffff:127\.)/;
const sha256 = (text: string) => createHash("sha256").update(text).digest();

/** With a token: who has it. Without: this machine, unless a proxy on it speaks for another. */
function refuseScraper(
  { headers, socket }: IncomingMessage,
  token: string | undefined,
): [number, string] | undefined {
  if (token !== undefined) {
    const [, given] = /^Bearer +([!-~]+)$/i.exec(headers.authorization ?? "") ?? [];
    const isRight = given !== undefined && timingSafeEqual(sha256(given), sha256(token));
    return isRight ? undefined : [401, "unauthenticated"];
  }
  const isProxied = headers["x-forwarded-for"] ?? headers.forwarded;
  const isNear = loopback.test(socket.remoteAddress ?? "") && isProxied === undefined;
  return isNear ? undefined : [403, "forbidden"];
}

function send(response: ServerResponse, status: number, body: unknown): void {
  write(response, status, { type: "application/json", body: JSON.stringify(body) });
}

function problem(response: ServerResponse, status: number, code: string): void {
  const body = JSON.stringify({ type: "about:blank", title: code, status, code });
  if (status === 401) response.setHeader("WWW-Authenticate", "Bearer");
  write(response, status, { type: "application/problem+json", body });
}

function write(
  response: ServerResponse,
  status: number,
  { type, body }: { type: string; body: string },
): void {
  response.writeHead(status, {
    "Content-Type": type,
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  });
  response.end(body);
}
