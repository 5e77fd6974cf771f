import type { ServerResponse } from "node:http";
import { setInterval as ticks } from "node:timers/promises";
import type { Books, Fault, Order } from "./model-books.ts";

export type Reply = { status?: number; type?: string; body: string | Buffer };

/** What one API answers in each case. */
export type Work = {
  key: string | null;
  /** Whose order it is, where the request itself doesn't say. */
  text?: string;
  /** A question about work that was done: no work of its own. */
  isPaid?: boolean;
  /** Faults hit other requests of the order. */
  isSpared?: boolean;
  good(usage: "normal" | "absurd" | "negative"): Reply;
  /** What its error looks like with this status. */
  error(status: number): Reply;
  /** Status 200, and a failure in the body. */
  errorInside(): Reply;
  /** Refused by moderation before the work, and what is left of it when it was refused after. */
  refused(): Reply;
  filtered(): Reply;
  /** The right shape, and in it what is no picture or no text. */
  broken(): Reply;
};

const htmlPage = { type: "text/html", body: "<!doctype html><h1>Maintenance</h1>" };
const chunk = Buffer.alloc(1_048_576, "a");
const mostHugeBytes = 256 * chunk.length;
type Play = (work: Work, answer: ServerResponse) => void;
/** Faults of a server that has done nothing. */
const before: Partial<Record<Fault, Play>> = {
  "limit-seconds": (work, answer) => send(answer, work.error(429), { "retry-after": "1" }),
  "limit-date": (work, answer) =>
    send(answer, work.error(429), { "retry-after": new Date(Date.now() + 1_000).toUTCString() }),
  overloaded: (work, answer) => send(answer, work.error(503), { "retry-after": "1" }),
  unauthorized: (work, answer) => send(answer, work.error(401)),
  "bad-input": (work, answer) => send(answer, work.error(400)),
  redirect: (_, answer) => send(answer, { status: 307, body: "" }, { location: "/stray" }),
  "error-before": (work, answer) => send(answer, work.error(500)),
  html: (_, answer) => send(answer, htmlPage),
  "error-inside": (work, answer) => send(answer, work.errorInside()),
  "reset-before": (_, answer) => void answer.socket?.resetAndDestroy(),
  refused: (work, answer) => send(answer, work.refused()),
};

/** Faults of a server that has done the work, and wants it paid. */
const after: Partial<Record<Fault, Play>> = {
  "error-after": (work, answer) => send(answer, work.error(500)),
  hang: () => undefined,
  truncated: (work, answer) => truncate(answer, work.good("normal")),
  cut: (work, answer) => send(answer, halve(work.good("normal"))),
  "wrong-type": (_, answer) => send(answer, { body: '{"hello":"world"}' }),
  "broken-output": (work, answer) => send(answer, work.broken()),
  huge: (_, answer) => void flood(answer),
  drip: (work, answer) => void drip(answer, work.good("normal")),
  "reset-after": (_, answer) => void answer.socket?.resetAndDestroy(),
  "absurd-usage": (work, answer) => send(answer, work.good("absurd")),
  "negative-usage": (work, answer) => send(answer, work.good("negative")),
  filtered: (work, answer) => send(answer, work.filtered()),
};

/** Serves a request: does the work and answers, or what the order's fault wants instead. */
export function playOrder(books: Books, order: Order, work: Work, answer: ServerResponse): void {
  const fault = work.isSpared ? undefined : books.nextFault(order);
  const early = fault && before[fault];
  if (!early && !work.isPaid) books.pay(order, work.key);
  const play = early ?? (fault && after[fault]) ?? answerWell;
  play(work, answer);
}

const answerWell: Play = (work, answer) => send(answer, work.good("normal"));

type Headers = Record<string, string>;

export function send(answer: ServerResponse, reply: Reply, headers: Headers = {}): void {
  const { status = 200, type = "application/json", body } = reply;
  answer.writeHead(status, { "content-type": type, ...headers }).end(body);
}

function halve({ body, ...reply }: Reply): Reply {
  return { ...reply, body: body.slice(0, Math.floor(body.length / 2)) };
}

/** Says how long it is, sends half of it and hangs up. */
function truncate(answer: ServerResponse, { type = "application/json", body }: Reply): void {
  const bytes = Buffer.from(body);
  answer.writeHead(200, { "content-type": type, "content-length": bytes.length });
  answer.write(bytes.subarray(0, bytes.length / 2), () => void answer.socket?.destroy());
}

async function flood(answer: ServerResponse): Promise<void> {
  answer.writeHead(200, { "content-type": "application/json" });
  answer.write('{"data":"');
  for (let sent = 0; sent < mostHugeBytes && !answer.closed; sent += chunk.length) {
    await new Promise((resolve) => {
      answer.once("close", resolve);
      answer.write(chunk, resolve);
    });
  }
  answer.end();
}

/** A byte every 50 ms: always about to say something, never done. */
async function drip(answer: ServerResponse, reply: Reply): Promise<void> {
  answer.writeHead(200, { "content-type": reply.type ?? "application/json" });
  let at = 0;
  for await (const _ of ticks(50)) {
    if (answer.closed) return;
    answer.write(Buffer.from(reply.body).subarray(at, ++at));
  }
}
