import { randomBytes } from "node:crypto";
import { createApiKey } from "@ducat/db/api-keys";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { cloneDatabase, type TestDatabase } from "../../../../packages/db/test/clone.ts";
import { givePurchase, makeAccount } from "../../../../packages/db/test/factories.ts";
import type { Subscriber } from "../../../../packages/events/src/bus.ts";
import { createHub, type Opening } from "./hub.ts";
import type { StreamEnd } from "./measure-streams.ts";
import type { Seat } from "./seat.ts";

const log = pino({ level: "silent" });
const audit = { actor: "test", request_id: "test", ip: null };
let database: TestDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.close());

/** A hub that looks often; what it hears is the test's to say. */
function makeHub(more: { lookMs?: number } = {}) {
  const subscribers = new Set<Subscriber>();
  const bus = {
    subscribe(hear: Subscriber) {
      subscribers.add(hear);
      return () => subscribers.delete(hear);
    },
  };
  const ends: StreamEnd[] = [];
  const meter = { opened() {}, ended: (_: string, why: StreamEnd) => ends.push(why), waited() {} };
  const cache = { onDrop: () => () => undefined };
  const closing = new AbortController().signal;
  const asked = { count: 0 };
  const db = new Proxy(database.app, {
    apply(target, self, query) {
      if (Array.isArray(query[0]?.raw)) asked.count += 1;
      return Reflect.apply(target, self, query);
    },
  });
  const hub = createHub({ db, bus, cache, closing, log, meter, ...more });
  return { hub, subscribers, ends, asked };
}

const opening = (accountId: string, more: Partial<Opening> = {}): Opening => ({
  ...{ accountId, actor: "root", sessionId: undefined },
  ...{ kind: "account", generationId: undefined, endsAt: undefined },
  ...more,
});
const isAwake = (seat: { takeWakeUp(): number | undefined }) => seat.takeWakeUp() !== undefined;

describe("the hub of all streams", () => {
  it("wakes those that a signal is about", async () => {
    const { hub, subscribers } = makeHub();
    const generation = (generationId: string) =>
      hub.open(opening("a", { kind: "generation", generationId }));
    const seats = {
      account: hub.open(opening("a")),
      first: generation("1"),
      second: generation("2"),
      other: hub.open(opening("b")),
    };
    const awake = () =>
      Object.entries(seats).flatMap(([name, seat]) => (isAwake(seat) ? [name] : []));
    const [subscriber] = subscribers;
    subscriber?.signals([{ accountId: "a", generationId: "1" }]);
    expect(awake()).toEqual(["account", "first"]);
    subscriber?.signals([{ accountId: "a" }, { accountId: "c" }]);
    await vi.waitFor(() => expect(awake()).toEqual(["account"]), { interval: 1 });
    subscriber?.back();
    expect(awake()).toEqual(["account", "first", "second", "other"]);
    for (const seat of Object.values(seats)) seat.leave("left");
    expect(subscribers.size).toBe(0);
  });

  it("finds what no signal said", async () => {
    const { hub } = makeHub({ lookMs: 20 });
    const [moved, still] = [await makeAccount(database.app), await makeAccount(database.app)];
    const seats = [hub.open(opening(moved.id)), hub.open(opening(still.id))] as const;
    await vi.waitFor(() => expect(seats.map(isAwake)).toEqual([true, true]));
    await givePurchase(database.app, moved.id, 5);
    await vi.waitFor(() => expect(isAwake(seats[0])).toBe(true));
    for (const seat of seats) seat.leave("left");
  });

  it("closes those whose caller may not listen any more, though nobody was told", async () => {
    const { hub, ends } = makeHub({ lookMs: 20 });
    const { id: accountId } = await makeAccount(database.app);
    const id = randomBytes(4).toString("hex");
    const key = { id, hash: randomBytes(32), name: "x", scopes: ["events"], audit };
    await createApiKey(database.app, accountId, key);
    const kept = hub.open(opening(accountId));
    const seat = hub.open(opening(accountId, { actor: `key:${id}` }));
    await database.admin`UPDATE ducat.api_keys SET revoked_at = now() WHERE id = ${id}`;
    await vi.waitFor(() => expect(seat.closed()).toBe("revoked"));
    expect(kept.closed()).toBeUndefined();
    seat.leave("revoked");
    kept.leave("left");
    seat.leave("left");
    expect(ends).toEqual(["revoked", "left"]);
  });

  it("looks by two queries, however many streams there are", async () => {
    const { hub, asked } = makeHub({ lookMs: 30 });
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await makeAccount(database.app)).id),
    );
    const seats = ids.flatMap((id) => [1, 2, 3].map(() => hub.open(opening(id))));
    await vi.waitFor(() => expect(isAwake(seats[59] as Seat)).toBe(true), { interval: 1 });
    expect(asked.count).toBe(2);
    for (const seat of seats) seat.leave("left");
  });

  it("goes on looking after the database was away", async () => {
    const { hub } = makeHub({ lookMs: 20 });
    const { id } = await makeAccount(database.app);
    const seat = hub.open(opening(id));
    await database.admin`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await vi.waitFor(() => expect(isAwake(seat)).toBe(true), { timeout: 10_000 });
    seat.leave("left");
  });

  it("has room for five thousand streams, and says so then", () => {
    const { hub } = makeHub();
    const seats = Array.from({ length: 5_000 }, (_, n) => hub.open(opening(`a${n % 60}`)));
    expect(() => hub.open(opening("b"))).toThrow(expect.objectContaining({ code: "unavailable" }));
    for (const seat of seats) seat.leave("left");
    hub.open(opening("b")).leave("left");
  });

  it("lets four streams read at a time", async () => {
    const { hub } = makeHub();
    let running = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    await Promise.all(Array.from({ length: 50 }, () => hub.read(work)));
    expect(most).toBe(4);
  });
});
