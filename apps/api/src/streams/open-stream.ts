import type { Context, TypedResponse } from "hono";
import type { AppEnv, Deps } from "../deps.ts";
import type { Cursor } from "./cursor.ts";
import type { Hub } from "./hub.ts";
import type { StreamMeter } from "./measure-streams.ts";
import { writeSse } from "./write-sse.ts";

export type StreamDeps = Pick<Deps, "db" | "urlSigner" | "log"> & {
  hub: Hub;
  meter: StreamMeter;
};

type Opened = Response & TypedResponse<never, 200, "body">;

/** Proxies change nothing and keep nothing; the connection ends with the stream. */
const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
  connection: "close",
};
/** Said by us, the server takes one part at a time. Else it keeps the first ones to the end. */
const chunked = { "transfer-encoding": "chunked" };

/**
 * Answers with the stream that the cursor tells; undefined where it has nothing to tell any more.
 * Errors: those of the cursor, rate_limited and unavailable (too many streams).
 */
export async function openStream(
  c: Context<AppEnv>,
  { hub, meter, log }: StreamDeps,
  about: { generationId: string | undefined; makeCursor: () => Cursor | Promise<Cursor> },
): Promise<Opened | undefined> {
  const { generationId, makeCursor } = about;
  // HEAD is answered by this handler too, and nobody would read its stream.
  if (c.req.raw.method === "HEAD") {
    const isThere = await hub.read(async () => (await makeCursor()).read());
    return isThere && (c.body(null, 200, headers) as Opened);
  }
  const { actor, sessionId, endsAt } = c.var.principal;
  const kind = generationId === undefined ? "account" : "generation";
  const caller = { accountId: c.var.accountId, actor, sessionId };
  const seat = hub.open({ ...caller, kind, generationId, endsAt });
  try {
    const cursor = await hub.read(async () => makeCursor());
    const first = await hub.read(() => cursor.read());
    if (!first) {
      seat.leave("finished");
      return undefined;
    }
    const { incoming, outgoing } = c.env ?? {};
    const body = writeSse({ hub, seat, cursor, first, meter, log, outgoing });
    // Nobody before HTTP/1.1 knows parts.
    const isKnown = incoming?.httpVersion === "1.1";
    return c.body(body, 200, { ...headers, ...(isKnown && chunked) }) as Opened;
  } catch (error) {
    seat.leave("failed");
    throw error;
  }
}

/**
 * Where a reader says that they are. A browser that connects again sends the header, and beside it
 * the older place that is in its address.
 */
export function readPlace(
  c: Context<AppEnv>,
  after: string | undefined,
): { text: string; pointer: string } | undefined {
  const sent = c.req.header("last-event-id");
  if (sent) return { text: sent, pointer: "#/header/Last-Event-ID" };
  return after === undefined ? undefined : { text: after, pointer: "#/query/after" };
}
