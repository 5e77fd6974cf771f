import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type Fault, startFaultyProxy } from "../test/faulty-proxy.ts";
import { order, type Stage, setStage } from "../test/stage.ts";
import type { AccountEvent, GenerationEvent } from "./streams.ts";

// Pauses as short as they may be.
beforeEach(() => {
  const random = vi.spyOn(Math, "random").mockReturnValue(0);
  return () => random.mockRestore();
});

/** An item's text as it was told, each part where the one before ended. */
function joinTexts(events: GenerationEvent[], itemId: string): string {
  let text = "";
  for (const { type, data } of events) {
    if (type !== "item.text" || data.item_id !== itemId) continue;
    expect(data.offset).toBe([...text].length);
    text += data.text;
  }
  return text;
}

describe("a stream", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await setStage({ hasWorker: true });
  });
  afterAll(() => stage.close());

  const readAll = async <T>(stream: AsyncIterable<T>) => {
    const all: T[] = [];
    for await (const one of stream) all.push(one);
    return all;
  };
  const typesOf = (events: { type: string }[]) => events.map(({ type }) => type);

  it("tells a generation from its beginning to its end, and ends", async () => {
    const ducat = await stage.createClient();
    const areas = ["Front", "Back"];
    const { id } = await ducat.generations.create({ ...order(), areas });
    const events = await readAll(ducat.generations.stream(id));
    const ended = events.filter((event) => event.type === "item.completed");
    expect(ended.map(({ data }) => data.label).sort()).toEqual(["Back", "Front"]);
    expect(ended[0]?.data.output).toEqual({ text: expect.stringContaining("garden chair") });
    const last = events.at(-1);
    expect(last).toMatchObject({ type: "generation.completed", data: { id, status: "completed" } });
    // Whoever has all of it is told that there is no more.
    expect(await readAll(ducat.generations.stream(id, { after: last?.position }))).toEqual([]);
    const again = await readAll(ducat.generations.stream(id));
    expect(typesOf(again)).toEqual([...ended.map(({ type }) => type), "generation.completed"]);
    const nowhere = readAll(ducat.generations.stream(crypto.randomUUID()));
    await expect(nowhere).rejects.toMatchObject({ code: "not_found" });
  });

  it("misses and repeats nothing, wherever its connections break", async () => {
    const cuts: Fault[] = [700, "before", 1_200, "before-answer", 1_900, 2_600];
    const proxy = await startFaultyProxy(stage.port, cuts);
    const ducat = await stage.createClient({ baseUrl: proxy.url, timeoutMs: 2_000 });
    const direct = await stage.createClient({ account: ducat.account });
    const areas = Array.from({ length: 9 }, (_, at) => `area ${at}`);
    const params = { length: "long" };
    const { id } = await direct.generations.create({ ...order(), areas, params });
    const events = await readAll(ducat.generations.stream(id));
    const left = proxy.left();
    await proxy.close();
    const ended = events.filter((event) => event.type === "item.completed");
    expect(ended.map(({ data }) => data.label).sort()).toEqual(areas);
    const started = events.filter((event) => event.type === "item.started");
    const names = started.map(({ data }) => `${data.item_id}/${data.attempt}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { data } of ended) {
      // What was written between the last words and the end needs no event of its own.
      const whole = data.output && "text" in data.output ? data.output.text : "";
      expect(whole.length).toBeGreaterThan(100);
      expect(whole.startsWith(joinTexts(events, data.id))).toBe(true);
    }
    expect(events.at(-1)?.type).toBe("generation.completed");
    expect(left).toBe(0);
  });

  it("tells an account's events, what it has, and the work that goes on", async () => {
    const ducat = await stage.createClient();
    const heard: AccountEvent[] = [];
    let id: string | undefined;
    for await (const event of ducat.events.stream()) {
      heard.push(event);
      // The first one says that the stream is there.
      id ??= (await ducat.generations.create(order())).id;
      // The balance moves when it is paid, and is told on its own.
      const balances = heard.filter(({ type }) => type === "balance");
      if (balances.length > 1 && typesOf(heard).includes("generation.completed")) break;
    }
    expect(heard[0]).toMatchObject({ type: "balance", data: { available: 23, held: 0 } });
    const paid = heard.filter((event) => event.type === "balance").at(-1);
    expect(paid?.data.available).toBe(22);
    const end = heard.find((event) => event.type === "generation.completed");
    if (!end) return expect.unreachable();
    expect([end.data.generation_id, end.account_id]).toEqual([id, ducat.account]);
    // The list has it too, and what came before the stream.
    const listed = await readAll(ducat.events.list());
    expect(typesOf(listed)).toContain("credits.granted");
    const { position: _, ...event } = end;
    expect(listed.at(-1)).toEqual(event);
    const { id: first = "" } = listed.at(0) ?? {};
    const rest = ducat.events.list({ after: first, limit: 1 });
    expect(await readAll(rest)).toEqual(listed.slice(1));
  });

  it("goes on for an account where it broke off, also much later", async () => {
    const ducat = await stage.createClient();
    let position = "";
    for await (const event of ducat.events.stream()) {
      position = event.position;
      break;
    }
    await ducat.credits.consume({ amount: 2, description: "a letter" });
    const { id } = await ducat.generations.createAndWait(order());
    const missed: AccountEvent[] = [];
    for await (const event of ducat.events.stream({ after: position })) {
      missed.push(event);
      if (event.type === "generation.completed") break;
    }
    const ends = missed.filter((event) => event.type === "item.completed");
    expect(ends.map(({ data }) => data.generation_id)).toEqual([id]);
  });

  it("ends with its signal, as the signal says", async () => {
    const ducat = await stage.createClient();
    const slow = { ...order(), params: { ...order().params, simulate: "slow" as const } };
    const { id } = await ducat.generations.create(slow);
    const ending = new AbortController();
    const reason = new Error("enough");
    const heard: GenerationEvent[] = [];
    const reading = (async () => {
      for await (const event of ducat.generations.stream(id, { signal: ending.signal })) {
        heard.push(event);
        ending.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(typesOf(heard)).toEqual(["item.started"]);
    await ducat.generations.cancel(id);
  });

  it("is given up when there is no connection for too long", async () => {
    const ducat = await stage.createClient({ baseUrl: "http://127.0.0.1:1", maxRetries: 0 });
    const read = readAll(ducat.events.stream({ patienceMs: 50 }));
    await expect(read).rejects.toMatchObject({ code: "connection_failed" });
  });
});
