import type { HttpBindings } from "@hono/node-server";

type Options = {
  /** Called once: with what went wrong, also where the reader did, or with nothing at the end. */
  onEnd(error?: unknown): void;
  /** The answer that the texts go into, where a server is there. */
  outgoing: HttpBindings["outgoing"] | undefined;
  /** Whoever reads more slowly than this is gone, or wants to keep others out. */
  lifeMs?: number;
  /** Whoever takes so long for one text is gone. */
  idleMs?: number;
};

/**
 * The texts (or bytes) as a stream that pulls one at a time, when its reader wants it. What ends
 * early is torn off: the connection is closed without an end, so that nobody takes the part for the
 * whole.
 */
export function streamText(
  texts: AsyncGenerator<string | Uint8Array, void>,
  { onEnd, outgoing, lifeMs = 10 * 60_000, idleMs = 60_000 }: Options,
): ReadableStream {
  const encoder = new TextEncoder();
  let hasEnded = false;
  let idle: NodeJS.Timeout | undefined;
  let stream: ReadableStreamDefaultController | undefined;
  const end = (error?: unknown) => {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(idle);
    clearTimeout(life);
    onEnd(error);
    // Never thrown at the server: it would write the message into the answer, and end it well.
    if (error === undefined) return;
    if (outgoing) breakOff(outgoing);
    else stream?.error(error);
    void texts.return().catch(() => {});
  };
  const late = () => end(new Error("An answer was not read in time."));
  const life = setTimeout(late, lifeMs).unref();
  return new ReadableStream(
    {
      start(controller) {
        stream = controller;
      },
      async pull(controller) {
        clearTimeout(idle);
        try {
          const { done, value } = await texts.next();
          if (hasEnded) return;
          if (done) {
            end();
            return controller.close();
          }
          controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
          idle = setTimeout(late, idleMs).unref();
        } catch (error) {
          end(error);
        }
      },
      cancel() {
        end(new Error("The reader went away."));
      },
    },
    { highWaterMark: 0 },
  );
}

/** Whatever is still written into it afterwards is an error that nobody needs to hear of. */
function breakOff(outgoing: HttpBindings["outgoing"]): void {
  outgoing.on("error", () => {});
  outgoing.destroy();
}
