import { beforeEach, describe, expect, it, vi } from "vitest";
import { createDucat } from "./ducat.ts";
import { DucatError } from "./errors.ts";
import { type Connect, followStream, type RawEvent, type StreamOptions } from "./follow-stream.ts";

// Pauses as short as they may be.
beforeEach(() => {
  const random = vi.spyOn(Math, "random").mockReturnValue(0);
  return () => random.mockRestore();
});

const toStream = (text: string) => new Blob([text]).stream();
const event = (id: number) => `id: ${id}\nevent: x\ndata: ${id}\n\n`;
const readAll = async (connect: Connect, options: StreamOptions = {}) => {
  const all: RawEvent[] = [];
  for await (const one of followStream(connect, options)) all.push(one);
  return all.map(({ data }) => data);
};

describe("following a stream", () => {
  it("goes on behind what it handed out, wherever in a connection's bytes it breaks", async () => {
    const bytes = new TextEncoder().encode([1, 2, 3].map(event).join(""));
    for (let at = 0; at <= bytes.length; at++) {
      const asked: (string | undefined)[] = [];
      const read = readAll(async (after) => {
        asked.push(after);
        if (asked.length === 1) return new Blob([bytes.slice(0, at)]).stream();
        const rest = [1, 2, 3].filter((one) => one > Number(after ?? 0));
        return rest.length > 0 ? toStream(rest.map(event).join("")) : undefined;
      });
      expect([at, await read]).toEqual([at, [1, 2, 3]]);
    }
  });

  it("gives up where connections end without a word for too long", async () => {
    let count = 0;
    const read = readAll(
      async () => {
        count += 1;
        return toStream("");
      },
      { patienceMs: 20 },
    );
    await expect(read).rejects.toMatchObject({ code: "connection_failed" });
    expect(count).toBeGreaterThan(1);
  });

  it("comes back no sooner than it is told", async () => {
    let count = 0;
    const started = performance.now();
    const connect: Connect = async () => {
      if (count++ > 0) return undefined;
      const facts = { message: "Slowly.", status: 429, retryAfterS: 0.2 };
      throw new DucatError("rate_limited", facts);
    };
    expect(await readAll(connect)).toEqual([]);
    expect(performance.now() - started).toBeGreaterThan(190);
  });

  it("ends where it may not go on, and says so", async () => {
    for (const status of [401, 403, 404]) {
      let count = 0;
      const read = readAll(async () => {
        if (count++ === 0) return toStream(event(1));
        throw new DucatError("not_found", { message: "No.", status });
      });
      await expect(read).rejects.toMatchObject({ status });
      expect(count).toBe(2);
    }
  });

  it("hands out nothing more once its signal is aborted", async () => {
    const ending = new AbortController();
    const reason = new Error("enough");
    const heard: unknown[] = [];
    const read = async () => {
      const { signal } = ending;
      const connect = async () => toStream([1, 2, 3].map(event).join(""));
      for await (const { data } of followStream(connect, { signal })) {
        heard.push(data);
        ending.abort(reason);
      }
    };
    await expect(read()).rejects.toBe(reason);
    expect(heard).toEqual([1]);
  });

  it("hangs up when its reader leaves, and leaves nothing on a signal that lives on", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    const cancel = vi.fn();
    const ends: AbortSignal[] = [];
    const connect: Connect = async (_, ending) => {
      ends.push(ending);
      const bytes = new TextEncoder().encode(event(1));
      return new ReadableStream({ pull: (to) => to.enqueue(bytes), cancel });
    };
    for await (const _ of followStream(connect, { signal })) break;
    expect([cancel.mock.calls.length, ends.map(({ aborted }) => aborted)]).toEqual([1, [true]]);
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });

  it("takes no other page for a stream", async () => {
    const fetch = async () =>
      new Response("<html>\n\n", { headers: { "content-type": "text/html" } });
    const ducat = createDucat({ baseUrl: "http://api.test", key: "k", fetch });
    const read = async () => {
      for await (const _ of ducat.events.stream());
    };
    await expect(read()).rejects.toMatchObject({ code: "unexpected_answer", status: 200 });
  });
});
