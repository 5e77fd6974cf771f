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

/** What a stream needs as long as it lives. */
type Kept = Omit<SseOptions, "first">;

/**
 * A cursor as server-sent events. It reads when its reader has taken what was read before, and
 * keeps one slice at most; a reader who doesn't take that in time is cut off.
 */
export function writeSse({ first, ...options }: SseOptions): ReadableStream {
  const { seat, cursor, outgoing, idleMs = usualIdleMs } = options;
  const parts = writeParts(options, tellSlice(first, cursor));
  let idle: NodeJS.Timeout | undefined;

  const expect = (controller: ReadableStreamDefaultController) => {
    idle = setTimeout(() => {
      seat.leave("slow");
      if (!outgoing) return controller.error(new Error("A stream was not read in time."));
      // Broken off. An error would be written out by the server, for each of them.
      outgoing.destroy();
      controller.close();
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
          return controller.enqueue(Buffer.from(part));
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

type Told = {
  text: string;
  /** There is more to read at once. */
  hasMore: boolean;
  /** Nothing comes after it. */
  isLast: boolean;
};

const tellNothing = (): Told => ({ text: "", hasMore: false, isLast: false });

/** Most of the time a stream waits, and has no use for what it has told. */
function takeText(told: Told): string {
  const { text } = told;
  told.text = "";
  return text;
}

/** What is written, a part at a time; ends when the stream is over. */
async function* writeParts(options: Kept, first: Told): AsyncGenerator<string, void> {
  const { seat, meter, heartbeatMs = usualHeartbeatMs } = options;
  let told: Told | undefined = first;
  // Told at once, whether there is something to tell or not: the reader knows that it is let in.
  told.text = opening + told.text;
  let since: number | undefined;
  let wroteAt = performance.now();
  while (told && !seat.closed()) {
    const hasText: boolean = told.text !== "";
    if (hasText || performance.now() - wroteAt >= heartbeatMs) {
      yield takeText(told) || heartbeat;
      wroteAt = performance.now();
    }
    if (hasText && since !== undefined) meter.waited((wroteAt - since) / 1000);
    if (told.isLast) return;
    if (!told.hasMore) await seat.wait(wroteAt + heartbeatMs - performance.now());
    if (seat.closed()) break;
    // Asleep before it reads: what happens meanwhile wakes it again.
    since = seat.takeWakeUp();
    told = told.hasMore || since !== undefined ? await tellNext(options) : tellNothing();
  }
  const farewell = farewells[seat.closed() ?? "finished"];
  if (farewell) yield farewell;
}

/** While the database is away a stream stays: a browser gives up where it can't connect again. */
async function tellNext({ hub, seat, cursor, log }: Kept): Promise<Told | undefined> {
  try {
    const slice = await hub.read(() => cursor.read());
    return slice && tellSlice(slice, cursor);
  } catch (err) {
    if (err instanceof DomainError && err.code === "unavailable") {
      setTimeout(() => seat.wake(), retryMs * (1 + Math.random())).unref();
      return tellNothing();
    }
    log.error({ err }, "a stream could not be read");
    seat.leave("failed");
    return undefined;
  }
}

/** Whatever does not fit is read again. */
function tellSlice({ events, hasMore, isLast }: Slice, cursor: Cursor): Told {
  let text = "";
  let bytes = 0;
  for (const [type, data] of events) {
    const event = `event: ${type}\nid: ${cursor.position()}\ndata: ${JSON.stringify(data)}\n\n`;
    text += event;
    bytes += Buffer.byteLength(event);
    if (bytes >= mostBytes) return { text, hasMore: true, isLast: false };
  }
  return { text, hasMore, isLast };
}
