import { DomainError } from "@ducat/types/errors";
import type { HttpBindings } from "@hono/node-server";
import type { Logger } from "pino";
import type { Cursor, Slice } from "./cursor.ts";
import type { Hub } from "./hub.ts";
import type { StreamEnd, StreamMeter } from "./measure-streams.ts";
import type { Seat } from "./seat.ts";

/** Of what is written at once, and so of what a stream keeps of what its reader has not taken. */
const mostBytes = 256 * 1024;
/** Silence of a connection that lives; proxies close those that say nothing for a minute. */
const usualHeartbeatMs = 15_000;
/** Whoever takes so long for a slice is gone, or will never keep up. */
const usualIdleMs = 30_000;
/** Between reads while the database is away. */
const retryMs = 2_000;

const heartbeat = ": hb\n\n";
/** How long browsers wait before they connect again. */
const opening = "retry: 2000\n\n";
const farewells: Partial<Record<StreamEnd, string>> = {
  stopping: ": this process stops, connect again\n\n",
  expired: ": the time is over, connect again\n\n",
  revoked: ": whoever opened this may not listen any more\n\n",
};

export type SseOptions = {
  hub: Pick<Hub, "read">;
  seat: Seat;
  cursor: Cursor;
  /** What was read before anything was answered. */
  first: Slice;
  meter: Pick<StreamMeter, "waited">;
  log: Logger;
  /** The answer that it goes into, where a server is there. */
  outgoing: HttpBindings["outgoing"] | undefined;
  idleMs?: number;
  heartbeatMs?: number;
};

/**
 * A cursor as server-sent events. It reads when its reader has taken what was read before, and
 * keeps one slice at most; a reader who doesn't take that in time is cut off.
 */
export function writeSse(options: SseOptions): ReadableStream {
  const { seat, outgoing, idleMs = usualIdleMs } = options;
  const encoder = new TextEncoder();
  const parts = writeParts(options);
  let idle: NodeJS.Timeout | undefined;

  const expect = (controller: ReadableStreamDefaultController) => {
    idle = setTimeout(() => {
      seat.leave("slow");
      controller.error(new Error("A stream was not read in time."));
      outgoing?.destroy();
    }, idleMs).unref();
  };
  return new ReadableStream(
    {
      // Also whoever never begins to read is cut off.
      start: expect,
      async pull(controller) {
        clearTimeout(idle);
        const part = (await parts.next()).value;
        if (part) {
          expect(controller);
          return controller.enqueue(encoder.encode(part));
        }
        if (seat.closed() === "left") return;
        seat.leave(seat.closed() ?? "finished");
        controller.close();
      },
      cancel() {
        clearTimeout(idle);
        seat.leave("left");
      },
    },
    { highWaterMark: 0 },
  );
}

const nothing: Slice = { events: [], hasMore: false, isLast: false };

/** What is written, a part at a time; ends when the stream is over. */
async function* writeParts(options: SseOptions): AsyncGenerator<string, void> {
  const { seat, cursor, meter, heartbeatMs = usualHeartbeatMs } = options;
  let slice: Slice | undefined = options.first;
  // Told at once, whether there is something to tell or not: the reader knows that it is let in.
  let begin = opening;
  let since: number | undefined;
  let wroteAt = performance.now();
  while (slice && !seat.closed()) {
    const { text: told, isWhole } = writeSlice(slice, cursor);
    const text = begin + told;
    begin = "";
    if (text !== "" || performance.now() - wroteAt >= heartbeatMs) {
      yield text || heartbeat;
      wroteAt = performance.now();
    }
    if (text !== "" && since !== undefined) meter.waited((wroteAt - since) / 1000);
    if (isWhole && slice.isLast) return;
    const hasMore: boolean = slice.hasMore || !isWhole;
    if (!hasMore) await seat.wait(wroteAt + heartbeatMs - performance.now());
    if (seat.closed()) break;
    // Asleep before it reads: what happens meanwhile wakes it again.
    since = seat.takeWakeUp();
    slice = hasMore || since !== undefined ? await readNext(options) : nothing;
  }
  const farewell = farewells[seat.closed() ?? "finished"];
  if (farewell) yield farewell;
}

/** While the database is away a stream stays: a browser gives up where it can't connect again. */
async function readNext({ hub, seat, cursor, log }: SseOptions): Promise<Slice | undefined> {
  try {
    return await hub.read(() => cursor.read());
  } catch (err) {
    if (err instanceof DomainError && err.code === "unavailable") {
      setTimeout(() => seat.wake(), retryMs * (1 + Math.random())).unref();
      return nothing;
    }
    log.error({ err }, "a stream could not be read");
    seat.leave("failed");
    return undefined;
  }
}

/** Whatever does not fit is read again. */
function writeSlice({ events }: Slice, cursor: Cursor): { text: string; isWhole: boolean } {
  let text = "";
  let bytes = 0;
  for (const [type, data] of events) {
    const event = `event: ${type}\nid: ${cursor.position()}\ndata: ${JSON.stringify(data)}\n\n`;
    text += event;
    bytes += Buffer.byteLength(event);
    if (bytes >= mostBytes) return { text, isWhole: false };
  }
  return { text, isWhole: true };
}
