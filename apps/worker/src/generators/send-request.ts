import http, { type IncomingMessage } from "node:http";
import https from "node:https";

type Sending = {
  method: "GET" | "POST" | "PUT";
  headers: Record<string, string>;
  body?: Buffer | undefined;
  signal: AbortSignal;
};

/**
 * Sends a request to a provider and resolves with its answer, whose body is still to be read.
 * Follows no redirect, keeps no connection (one that was idle may be closed under a request, and
 * nobody could tell whether that arrived). `seen` learns when some of it may have arrived.
 */
export function sendRequest(
  url: URL,
  { method, headers, body, signal }: Sending,
  seen: { isSent: boolean },
): Promise<IncomingMessage> {
  const isSecure = url.protocol === "https:";
  const length = body ? { "content-length": String(body.length) } : {};
  const request = (isSecure ? https : http).request(url, {
    ...{ method, signal, agent: false },
    headers: { ...headers, "accept-encoding": "identity", ...length },
  });
  request.once("socket", (socket) => {
    socket.once(isSecure ? "secureConnect" : "connect", () => {
      seen.isSent = true;
    });
  });
  return new Promise((resolve, reject) => {
    // Stays: a fault after the answer's first byte would end the process without a listener.
    request.on("error", reject).once("response", resolve);
    request.end(body);
  });
}

/** The answer's body as it comes. Throws when there is more of it than that. */
export async function* readLimited(
  answer: IncomingMessage,
  maxBytes: number,
): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error("The provider's answer is too large.");
    yield chunk;
  }
}

/** All of the body. Throws when it is larger than that. */
export async function readWhole(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readLimited(answer, maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
