import { randomUUID } from "node:crypto";
import { relayEvents } from "@ducat/db/events";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { createCache } from "../../../../packages/cache/src/cache.ts";
import { createBus } from "../../../../packages/events/src/bus.ts";
import { openEvents, type SseEvent } from "../../test/read-stream.ts";
import { type Stage, setStage } from "../../test/stage.ts";
import { makeDice, workOnGeneration } from "../../test/stream-activity.ts";
import { createApp } from "../app.ts";
import type { Deps } from "../deps.ts";
import { startServer } from "../server.ts";

const reconnects = 50;
type Dice = (most: number) => number;

/** Two processes' worth of API over one database; a worker's signals come from a third. */
async function startApis(kind: "redis" | "postgres") {
  const urls: string[] = [];
  const stage = await setStage();
  const redisUrl = kind === "redis" ? (inject("redis") ?? undefined) : undefined;
  const makeBus = () => createBus({ postgresUrl: stage.db.url, redisUrl, log: stage.deps.log });
  const parts: { close(): Promise<void> }[] = [];
  for (let n = 0; n < 2; n++) {
    const bus = makeBus();
    const cache = createCache({ postgresUrl: stage.db.url, log: stage.deps.log });
    const closing = new AbortController();
    const deps: Deps = { ...stage.deps, bus, cache, closing: closing.signal };
    const server = await startServer(createApp(deps), { host: "127.0.0.1", port: 0 });
    urls.push(`http://127.0.0.1:${server.port}`);
    const stop = async () => {
      closing.abort();
      // A connection that fetch has opened in advance is not idle to the server.
      await server.close(50);
    };
    parts.push({ close: stop }, bus, cache);
  }
  const bus = makeBus();
  parts.push(bus);
  onTestFinished(async () => {
    for (const part of parts) await part.close();
    await stage.close();
  });
  return { stage: { ...stage, deps: { ...stage.deps, bus } } as Stage, urls };
}

type Followed = { path: string; account: string; from?: string; urls: string[]; dice: Dice };

/** What a reader does, for whoever goes at its pace. */
function makeTold() {
  let resume = () => {};
  return {
    cuts: 0,
    texts: 0,
    next: () => resume(),
    /** Until the next event was read, or none comes. */
    pace: () =>
      new Promise<void>((resolve) => {
        const before = resume;
        resume = () => {
          before();
          resolve();
        };
        setTimeout(resolve, 40);
      }),
  };
}
type Told = ReturnType<typeof makeTold>;

/** Reads on, at another API each time, until `isOver` or there is nothing more to read. */
async function follow(
  { path, account, from, urls, dice }: Followed,
  { most, isOver }: { most: number; isOver: (events: SseEvent[]) => boolean },
  told: Told = makeTold(),
): Promise<SseEvent[]> {
  const events: SseEvent[] = [];
  let lastId = from;
  for (; ; told.cuts++) {
    const url = urls[told.cuts % urls.length];
    const stream = await openEvents((to, init) => fetch(`${url}${to}`, init), path, {
      ...{ account, lastId },
    });
    if (stream.status === 204) return events;
    expect(stream.status).toBe(200);
    const quota = told.cuts < most ? 1 + dice(2) : Number.POSITIVE_INFINITY;
    for (let place = 0; place < quota && !isOver(events) && (await stream.has(place)); place++) {
      const event = stream.events[place];
      if (event) events.push(event);
      if (event?.type === "item.text") told.texts += 1;
      told.next();
      lastId = event?.id;
    }
    // Whatever else came is lost with the line: the reader has not seen it.
    await stream.close();
    if (isOver(events)) return events;
  }
}

/** The parts of each attempt's text fit together; all that is told of an attempt is told once. */
function checkLive(events: SseEvent[]): number {
  const texts = new Map<string, string>();
  const fractions = new Map<string, number>();
  const started: string[] = [];
  for (const { type, data } of events) {
    const key = `${data.item_id} ${data.attempt}`;
    if (type === "item.started") started.push(key);
    if (type === "item.progress") {
      expect(data.fraction).toBeGreaterThan(fractions.get(key) ?? 0);
      fractions.set(key, data.fraction);
    }
    if (type === "item.text") {
      const before = texts.get(key) ?? "";
      expect([key, data.offset]).toEqual([key, [...before].length]);
      texts.set(key, before + data.text);
    }
  }
  expect(new Set(started).size).toBe(started.length);
  for (const [key, text] of texts) {
    expect(started).toContain(key);
    // Each attempt writes its number first: nothing of another one is in it.
    expect(text.startsWith(`${key.split(" ")[1]}:`)).toBe(true);
    expect(text.match(/\d+:/g)).toHaveLength(1);
  }
  return texts.size;
}

const ascending = (a: number, b: number) => a - b;

async function checkAccount(stage: Stage, account: string, events: SseEvent[]): Promise<void> {
  const told = events.filter(({ data }) => "account_id" in data).map(({ data }) => data.id);
  const rows = await stage.db.admin<{ id: string }[]>`
    SELECT id FROM ducat.outbox WHERE account_id = ${account} ORDER BY seq`;
  expect(told).toEqual(rows.map(({ id }) => id));
  const balances = events.filter(({ type }) => type === "balance").map(({ data }) => data);
  expect(balances.map(({ seq }) => seq)).toEqual(balances.map(({ seq }) => seq).sort(ascending));
  for (const [n, balance] of balances.entries()) expect(balance).not.toEqual(balances[n - 1]);
  const { body } = await stage.call("/v1/credits/balance", { account });
  const { available, held } = balances.at(-1) ?? {};
  expect({ available, held }).toEqual({ available: body.available, held: body.held });
}

async function checkGeneration(stage: Stage, account: string, id: string, events: SseEvent[]) {
  const { body } = await stage.call(`/v1/generations/${id}`, { account });
  const items: { id: string; status: string }[] = body.items;
  const ends = events.filter(
    ({ data }) => data.charge !== undefined && data.position !== undefined,
  );
  expect(ends.map(({ type, data }) => `${type} ${data.id}`).sort()).toEqual(
    items.map((item) => `item.${item.status} ${item.id}`).sort(),
  );
  expect(events.at(-1)).toMatchObject({ type: `generation.${body.status}`, data: { id } });
  expect(events.filter(({ type }) => type.startsWith("generation."))).toHaveLength(1);
}

describe.each(["postgres", "redis"] as const)("over %s (redis needs redis-server)", (kind) => {
  it.skipIf(kind === "redis" && !inject("redis"))(
    "who reconnects at fifty random points, at either process, misses and repeats nothing",
    async () => {
      const dice = makeDice(20_261_121);
      const { stage, urls } = await startApis(kind);
      const account = await stage.makeAccount(1_000);
      const last = randomUUID();
      let seq = "";
      const isOver = (events: SseEvent[]) => {
        const hasAll = events.some(({ type, data }) => type === "balance" && `${data.seq}` === seq);
        return seq !== "" && hasAll && events.some(isFinal);
      };
      const isFinal = ({ data }: SseEvent) => data.data?.transaction_id === `${account}.${seq}`;
      const following = { account, urls, dice };
      const told = makeTold();
      const isYoung = () => told.cuts < reconnects || told.texts < 10;
      let isDone = false;
      const all = follow(
        { path: "/v1/events/stream", from: "a1.0.-", ...following },
        { most: reconnects, isOver },
        told,
      ).finally(() => {
        isDone = true;
      });
      const relaying = (async () => {
        while (!isDone) {
          const { accounts } = await relayEvents(stage.db.worker, { limit: 7 });
          for (const accountId of accounts) stage.deps.bus.publish({ accountId });
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })();
      const followed: Promise<{ id: string; events: SseEvent[] }>[] = [];
      for (let round = 0; round < 4 || (isYoung() && round < 50); round++) {
        const ids = await Promise.all(
          [1, 2, 3].map(() => workOnGeneration(stage, { id: account, dice, pace: told.pace })),
        );
        for (const id of ids.slice(0, 1)) {
          const path = `/v1/generations/${id}/events`;
          const one = follow({ path, ...following }, { most: 10, isOver: () => false });
          followed.push(one.then((events) => ({ id, events })));
        }
      }
      const given = await stage.call(`/v1/admin/accounts/${account}/credits`, {
        ...{ key: last, body: { amount: 1, reason: "the last" } },
      });
      seq = given.body.transaction_id.split(".")[1];
      const events = await all;
      await relaying;
      expect(told.cuts).toBeGreaterThanOrEqual(reconnects);
      await checkAccount(stage, account, events);
      expect(checkLive(events)).toBeGreaterThan(0);
      for (const { id, events } of await Promise.all(followed)) {
        checkLive(events);
        await checkGeneration(stage, account, id, events);
      }
    },
  );
});
