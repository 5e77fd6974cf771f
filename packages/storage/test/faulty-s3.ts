import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/**
 * What goes wrong with a request. `down` hangs up, `silent` never answers, `lost` does what is
 * asked and hangs up before it answers, `broken` and `busy` answer 500 and 503, `truncated` hangs
 * up in the middle of the answer, `stalled` stops there, `changed` alters a byte of the answer,
 * `garbled` a byte of the request, which a real S3 notices by its Content-MD5. `denied` is no fault
 * of the way: the keys lack a right.
 */
export type S3Fault =
  | "down"
  | "silent"
  | "lost"
  | "broken"
  | "busy"
  | "truncated"
  | "stalled"
  | "changed"
  | "garbled"
  | "denied";

export type FaultyS3 = {
  origin: string;
  /** The faults of the next requests, one each; "fine" lets one through. */
  next(...faults: (S3Fault | "fine")[]): void;
  /** Every request from now on. */
  always(fault: S3Fault | undefined): void;
  /** The methods of the requests so far. */
  seen: string[];
  close(): Promise<void>;
};

/** Stands before an S3 server and passes everything on, but for the faults that it is told. */
export async function startFaultyS3(upstream: string): Promise<FaultyS3> {
  const queue: (S3Fault | "fine")[] = [];
  const seen: string[] = [];
  let every: S3Fault | undefined;
  const server = createServer((incoming, response) => {
    seen.push(incoming.method ?? "");
    const fault = queue.shift() ?? every ?? "fine";
    answer(upstream, { incoming, response, fault }).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    seen,
    next: (...faults) => queue.push(...faults),
    always(fault) {
      every = fault;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

type Exchange = { incoming: IncomingMessage; response: ServerResponse; fault: S3Fault | "fine" };

async function answer(upstream: string, { incoming, response, fault }: Exchange): Promise<void> {
  if (fault === "down") return void response.destroy();
  const sent = await buffer(incoming);
  if (fault === "silent") return;
  if (fault === "broken") return refuse(response, 500, "InternalError");
  if (fault === "denied") return refuse(response, 403, "AccessDenied");
  if (fault === "busy") return refuse(response, 503, "SlowDown");
  const body = fault === "garbled" ? flip(sent) : sent;
  const promised = incoming.headers["content-md5"];
  const isWhole = promised === createHash("md5").update(body).digest("base64");
  if (promised !== undefined && !isWhole) return refuse(response, 400, "BadDigest");
  const { status, headers, bytes } = await pass(upstream, incoming, body);
  if (fault === "lost") return void response.destroy();
  response.writeHead(status, headers);
  const half = Math.floor(bytes.length / 2);
  if (fault === "truncated") {
    response.write(bytes.subarray(0, half), () => response.destroy());
  } else if (fault === "stalled") response.write(bytes.subarray(0, half));
  else response.end(fault === "changed" ? flip(bytes) : bytes);
}

async function pass(upstream: string, incoming: IncomingMessage, body: Buffer) {
  const { method = "GET", headers, url = "/" } = incoming;
  // The host is signed, so it stays as it was sent.
  const outgoing = request(new URL(url, upstream), { method, headers });
  outgoing.end(body);
  const [got] = (await once(outgoing, "response")) as [IncomingMessage];
  return { status: got.statusCode ?? 0, headers: got.headers, bytes: await buffer(got) };
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}

function flip(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const middle = Math.floor(changed.length / 2);
  changed[middle] = (changed[middle] ?? 0) ^ 1;
  return changed;
}
