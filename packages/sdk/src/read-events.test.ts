import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readEvents } from "./read-events.ts";

/** A stream that is cut into pieces at these bytes, and how much of it was asked for. */
function makeStream(text: string, cuts: number[] = []) {
  const bytes = new TextEncoder().encode(text);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts = [...ends, bytes.length].map((end, at) =>
    bytes.slice(at === 0 ? 0 : ends[at - 1], end),
  );
  const seen = { pulled: 0, isCanceled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = parts[seen.pulled++];
        if (part) controller.enqueue(part);
        else controller.close();
      },
      cancel() {
        seen.isCanceled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

const read = async (text: string, cuts?: number[]) => {
  const parts = [];
  for await (const part of readEvents(makeStream(text, cuts).stream)) parts.push(part);
  return parts;
};
const event = (type: string, data: string, id?: string) => ({ kind: "event", id, type, data });

describe("a stream of events", () => {
  const text =
    ": hb\n\nretry: 2000\n\nid: g1.1\r\nevent: item.text\r\ndata: a\r\ndata:  گل 🌱\r\n\r\n" +
    "data:b\rdata\r\r\nfield: none\nid\n\nevent: x\ndata: {}\n\ndata: cut off";

  it("has events, and signs of life between them; what is cut off is none", async () => {
    expect(await read(text)).toEqual([
      { kind: "sign" },
      { kind: "sign" },
      { kind: "retry", ms: 2_000 },
      { kind: "sign" },
      event("item.text", "a\n گل 🌱", "g1.1"),
      event("message", "b\n"),
      { kind: "sign" },
      event("x", "{}"),
    ]);
  });

  it("is the same however it is cut into pieces", async () => {
    const whole = await read(text);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(200), { maxLength: 20 }), async (cuts) => {
        expect(await read(text, cuts)).toEqual(whole);
      }),
      { numRuns: 200 },
    );
    const everywhere = Array.from({ length: 200 }, (_, at) => at);
    expect(await read(text, everywhere)).toEqual(whole);
  });

  it("is read no further than its reader reads, and left when the reader leaves", async () => {
    const { stream, seen } = makeStream("data: 1\n\ndata: 2\n\ndata: 3\n\n", [9, 18]);
    for await (const part of readEvents(stream)) {
      expect(part).toEqual(event("message", "1"));
      expect(seen).toEqual({ pulled: 1, isCanceled: false });
      break;
    }
    expect(seen).toEqual({ pulled: 1, isCanceled: true });
  });

  it("ends in an error when a line or an event never ends", async () => {
    const long = "x".repeat(1024 * 1024);
    await expect(read(`data: ${long.repeat(5)}`)).rejects.toThrow("A line is too long.");
    const lines = `data: ${long}\n`.repeat(5);
    await expect(read(lines)).rejects.toThrow("An event is too large.");
  });
});
