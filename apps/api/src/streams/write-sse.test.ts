import { connect } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DomainError } from "@ducat/types/errors";
import { Hono } from "hono";
import { pino } from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { AppEnv } from "../deps.ts";
import { startServer } from "../server.ts";
import type { Cursor, Slice } from "./cursor.ts";
import type { StreamEvent } from "./live-events.ts";
import type { StreamEnd } from "./measure-streams.ts";
import { createSeat } from "./seat.ts";
import { writeSse } from "./write-sse.ts";

const log = pino({ level: "silent" });
const decoder = new TextDecoder();

/** A place and what is written for it, from a source of numbered events. */
function open(
  read: (at: number) => Partial<Slice> | undefined,
  times: { idleMs?: number; heartbeatMs?: number; endsAt?: number } = {},
) {
  const state: { at: number; reads: number; left?: StreamEnd; lags: number[] } = {
    ...{ at: 0, reads: 0, lags: [] },
  };
  const options = { kind: "account", generationId: undefined, endsAt: times.endsAt } as const;
  const seat = createSeat(options, (why) => {
    state.left = why;
  });
  const track = function* (events: Iterable<StreamEvent>): Generator<StreamEvent> {
    for (const event of events) {
      state.at += 1;
      yield event;
    }
  };
  const cursor: Cursor = {
    position: () => `${state.at}`,
    async read() {
      state.reads += 1;
      const slice = read(state.at);
      const { events = [], hasMore = false, isLast = false } = slice ?? {};
      return slice && { events: track(events), hasMore, isLast };
    },
  };
  const first = { events: track([["first", {}]]), hasMore: true, isLast: false };
  const hub = { read: <T>(work: () => Promise<T>) => work() };
  const meter = { waited: (seconds: number) => state.lags.push(seconds) };
  const stream = writeSse({ hub, seat, cursor, first, meter, log, outgoing: undefined, ...times });
  const reader = stream.getReader();
  onTestFinished(() => reader.cancel().catch(() => undefined));
  const next = async () => decoder.decode((await reader.read()).value);
  const rest = async () => {
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return text;
      text += decoder.decode(value);
    }
  };
  return { state, seat, reader, next, rest };
}

describe("a written stream", () => {
  it("gives each event its name, its place and its data, and ends with the last", async () => {
    const { rest, state } = open(() => ({ events: [["end", { a: "line\nline" }]], isLast: true }));
    expect(await rest()).toBe(
      "retry: 2000\n\n" +
        "event: first\nid: 1\ndata: {}\n\n" +
        'event: end\nid: 2\ndata: {"a":"line\\nline"}\n\n',
    );
    expect(state.left).toBe("finished");
  });

  it("reads nothing that its reader has no room for, and cuts off whoever is slow", async () => {
    const big: StreamEvent = ["big", { text: "x".repeat(100_000) }];
    const read = () => ({ events: Array(64).fill(big), hasMore: true });
    const { next, state, reader } = open(read, { idleMs: 40 });
    await next();
    const slice = await next();
    // Of 64 such events those that reach the limit; the others are read again.
    expect(slice.length).toBeGreaterThan(256 * 1024);
    expect(slice.length).toBeLessThan(256 * 1024 + 101_000);
    expect([state.reads, state.at]).toEqual([1, 4]);
    await vi.waitFor(() => expect(state.left).toBe("slow"));
    expect(state.reads).toBe(1);
    await expect(reader.read()).rejects.toThrow("not read in time");
  });

  it("cuts off who never begins to read", async () => {
    const { state } = open(() => ({}), { idleMs: 10 });
    await vi.waitFor(() => expect(state.left).toBe("slow"));
  });

  it("says that it lives when nothing happens, without reading", async () => {
    const { next, state } = open(() => ({}), { heartbeatMs: 20 });
    await next();
    expect([await next(), await next()]).toEqual([": hb\n\n", ": hb\n\n"]);
    expect(state.reads).toBe(1);
  });

  it("says so too where it is woken all the time for nothing", async () => {
    const { next, seat } = open(() => ({}), { heartbeatMs: 50 });
    const timer = setInterval(() => seat.wake(), 5);
    onTestFinished(() => clearInterval(timer));
    await next();
    expect(await next()).toBe(": hb\n\n");
  });

  it("misses no wake-up that comes while it reads", async () => {
    let wake = () => {};
    const { next, seat } = open((at) => {
      if (at === 1) wake();
      return at < 3 ? { events: [["more", {}]] } : {};
    });
    wake = () => seat.wake();
    await next();
    expect(await next()).toContain("id: 2");
    expect(await next()).toContain("id: 3");
  });

  it("stays while the database is away, and goes on where it was", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    let isAway = true;
    const { next, state } = open(
      () => {
        if (isAway) throw new DomainError("unavailable");
        return { events: [["back", {}]] };
      },
      { idleMs: 100_000, heartbeatMs: 100_000 },
    );
    await next();
    const later = next();
    await vi.waitFor(() => expect(state.reads).toBe(1));
    isAway = false;
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await later).toBe("event: back\nid: 2\ndata: {}\n\n");
  });

  it("ends where it can't be read for another reason, or there is nothing to read", async () => {
    const broken = open(() => {
      throw new Error("of ours");
    });
    await broken.rest();
    expect(broken.state.left).toBe("failed");
    const gone = open(() => undefined);
    await gone.rest();
    expect(gone.state.left).toBe("finished");
  });

  it.each([
    ["stopping", ": this process stops, connect again\n\n"],
    ["revoked", ": whoever opened this may not listen any more\n\n"],
  ] as const)("says goodbye when it is %s", async (why, text) => {
    const { next, rest, seat, state } = open(() => ({}));
    await next();
    const end = rest();
    seat.close(why);
    expect(await end).toBe(text);
    expect(state.left).toBe(why);
  });

  it("ends with the credential of who opened it", async () => {
    const { rest, state } = open(() => ({}), { endsAt: Date.now() + 20 });
    expect(await rest()).toContain(": the time is over");
    expect(state.left).toBe("expired");
  });

  it("gives its place back when its reader leaves, whatever it is waiting for", async () => {
    const { next, reader, state } = open(() => ({}));
    await next();
    const pending = reader.read();
    await reader.cancel();
    await pending;
    expect(state.left).toBe("left");
  });
});

it("whose connection is cut off for being slow leaves nothing in the error output", async () => {
  const errors = vi.spyOn(console, "error").mockReturnValue();
  onTestFinished(() => errors.mockRestore());
  const big: StreamEvent = ["big", { text: "x".repeat(300_000) }];
  const read = async () => ({ events: [big], hasMore: true, isLast: false });
  let left: StreamEnd | undefined;
  const app = new Hono<AppEnv>().get("/", async (c) => {
    const options = { kind: "account", generationId: undefined, endsAt: undefined } as const;
    const seat = createSeat(options, (why) => {
      left = why;
    });
    const cursor: Cursor = { read, position: () => "" };
    const hub = { read: <T>(work: () => Promise<T>) => work() };
    const { outgoing } = c.env;
    const meter = { waited() {} };
    const first = await read();
    return c.body(writeSse({ hub, seat, cursor, first, meter, log, outgoing, idleMs: 60 }));
  });
  const server = await startServer(app, { host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.close(0));
  const socket = connect(server.port, "127.0.0.1").pause();
  socket.on("error", () => undefined).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await vi.waitFor(() => expect(left).toBe("slow"));
  // It is broken off, so that nobody takes it for whole.
  let text = "";
  socket.on("data", (data) => {
    text += data.toString("latin1").slice(-7);
  });
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  expect(text.endsWith("0\r\n\r\n")).toBe(false);
  expect(errors).not.toHaveBeenCalled();
});

it("keeps nothing of what it has told while it waits", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const size = 200_000;
  const streams = Array.from({ length: 100 }, () =>
    open((at) => (at < 3 ? { events: [["big", { text: `${at}`.repeat(size) }]] } : {})),
  );
  for (const { next } of streams) await next();
  collect();
  const before = process.memoryUsage();
  for (const { next, seat } of streams) {
    for (const n of [1, 2]) {
      seat.wake();
      expect((await next()).length, `${n}`).toBeGreaterThan(size);
    }
  }
  for (const { reader } of streams) reader.read().catch(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const { heapUsed, external } = process.memoryUsage();
  // A hundred kept slices or more, if it kept any; the rest is what else the process does.
  expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(60 * size);
});
