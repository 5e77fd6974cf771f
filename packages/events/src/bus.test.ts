import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectRedis } from "@ducat/queue/redis-client";
import postgres from "postgres";
import { afterAll, describe, expect, inject, it, onTestFinished, vi } from "vitest";
import { describeRedis } from "../../../infra/test/describe-queues.ts";
import { startRedis } from "../../queue/test/redis-server.ts";
import { type CutLine, startProxy } from "../test/proxy.ts";
import { type Bus, type BusOptions, createBus, type Signal } from "./bus.ts";
import { channel } from "./line.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgres: string;
    redis: string | null;
  }
}

type Kind = "postgres" | "redis";

const nowhere = "postgres://nobody@127.0.0.1:1/none";
const untold = "the other processes are not told of changes for now";
const eventually = <T>(check: () => T | Promise<T>) =>
  vi.waitFor(check, { timeout: 20_000, interval: 10 });

function describeBus(kind: Kind) {
  const urlOf = () => (kind === "redis" ? (inject("redis") ?? "") : inject("postgres"));
  let proxy: CutLine;
  let warnings: string[] = [];

  const open = (url: string, more: Partial<BusOptions> = {}): Bus => {
    const bus = createBus({
      postgresUrl: kind === "redis" ? nowhere : url,
      redisUrl: kind === "redis" ? url : undefined,
      log: { warn: (_: unknown, message?: string) => void warnings.push(String(message)) },
      ...more,
    });
    onTestFinished(() => bus.close());
    return bus;
  };
  /** A bus whose line goes through a proxy of its own. */
  const openThrough = async (more: Partial<BusOptions> = {}) => {
    warnings = [];
    proxy = await startProxy(urlOf());
    const { close } = proxy;
    onTestFinished(() => close());
    return open(proxy.through(urlOf()), more);
  };
  /** Other tests use the same server: only what this one's account is about counts. */
  const listen = async (bus: Bus, accountId: string) => {
    const heard = { signals: [] as Signal[], batches: [] as Signal[][], backs: 0 };
    const stop = bus.subscribe({
      signals(all) {
        const ours = all.filter((one) => one.accountId === accountId);
        if (ours.length === 0) return;
        heard.batches.push(ours);
        heard.signals.push(...ours);
      },
      back: () => void heard.backs++,
    });
    await eventually(() => expect(heard.backs).toBeGreaterThan(0));
    return { heard, stop };
  };

  it("wakes every subscriber in every process, the publisher's own too", async () => {
    const [here, there] = [open(urlOf()), open(urlOf())];
    const [accountId, generationId] = [randomUUID(), randomUUID()];
    const heard = await Promise.all([here, here, there].map((bus) => listen(bus, accountId)));
    here.publish({ accountId });
    here.publish({ accountId, generationId });
    await eventually(() => {
      for (const { heard: one } of heard) {
        expect(one.signals).toEqual([{ accountId }, { accountId, generationId }]);
      }
    });
  });

  it("gathers a storm: each thing is told once, in few messages", async () => {
    const [publisher, reader] = [open(urlOf()), open(urlOf())];
    const accountId = randomUUID();
    const { heard } = await listen(reader, accountId);
    const ids = Array.from({ length: 200 }, () => randomUUID());
    for (let times = 0; times < 50; times++) {
      for (const generationId of ids) publisher.publish({ accountId, generationId });
    }
    await publisher.flush();
    await eventually(() => expect(heard.signals).toHaveLength(200));
    expect(new Set(heard.signals.map((one) => one.generationId))).toEqual(new Set(ids));
    expect(heard.batches.map((batch) => batch.length)).toEqual([80, 80, 40]);
  });

  it("does not lose what is published while it is on its way", async () => {
    const bus = open(urlOf());
    const accountId = randomUUID();
    const { heard } = await listen(bus, accountId);
    const ids = Array.from({ length: 300 }, () => randomUUID());
    for (const generationId of ids) {
      bus.publish({ accountId, generationId });
      if (Math.random() < 0.2) await bus.flush();
    }
    await eventually(() => expect(heard.signals).toHaveLength(300));
  });

  it("says that anything may have changed when its line was cut, and hears again", async () => {
    const reader = await openThrough();
    const publisher = open(urlOf());
    const accountId = randomUUID();
    const { heard } = await listen(reader, accountId);
    const before = heard.backs;
    proxy.cut();
    publisher.publish({ accountId });
    await publisher.flush();
    proxy.mend();
    await eventually(() => expect(heard.backs).toBeGreaterThan(before));
    const generationId = randomUUID();
    publisher.publish({ accountId, generationId });
    await eventually(() => expect(heard.signals).toContainEqual({ accountId, generationId }));
    expect(heard.signals).not.toContainEqual({ accountId });
  });

  it("notices a line that is gone in silence by missing its own words", async () => {
    const reader = await openThrough({ echoMs: 300 });
    const publisher = open(urlOf());
    const accountId = randomUUID();
    const { heard } = await listen(reader, accountId);
    const before = heard.backs;
    proxy.freeze();
    proxy.mend();
    await eventually(() => expect(heard.backs).toBeGreaterThan(before));
    publisher.publish({ accountId });
    await eventually(() => expect(heard.signals).toEqual([{ accountId }]));
  });

  it("keeps what is published while its line is away, and sends it when it is back", async () => {
    const publisher = await openThrough({ sendLimitMs: 200 });
    const accountId = randomUUID();
    const { heard } = await listen(open(urlOf()), accountId);
    proxy.cut();
    publisher.publish({ accountId });
    await eventually(() => expect(warnings).toContain(untold));
    const generationId = randomUUID();
    publisher.publish({ accountId, generationId });
    expect(heard.signals).toEqual([]);
    proxy.mend();
    await eventually(() => expect(heard.signals).toHaveLength(2));
  });

  it("says one word for everything when too much has waited", async () => {
    const publisher = await openThrough();
    const accountId = randomUUID();
    const { heard } = await listen(open(urlOf()), accountId);
    const before = heard.backs;
    proxy.cut();
    for (let count = 0; count < 20_000; count++) {
      publisher.publish({ accountId, generationId: randomUUID() });
    }
    proxy.mend();
    const sentBefore = proxy.sent();
    await eventually(() => expect(heard.backs).toBeGreaterThan(before));
    expect(heard.signals).toEqual([]);
    expect(proxy.sent() - sentBefore).toBeLessThan(20_000);
  });

  it("opens no line before it has something to say, and none to hear without subscribers", async () => {
    const bus = await openThrough();
    expect(proxy.count()).toBe(0);
    bus.publish({ accountId: randomUUID() });
    await bus.flush();
    expect(proxy.count()).toBe(1);
    const first = await listen(bus, randomUUID());
    const second = await listen(bus, randomUUID());
    expect(proxy.count()).toBe(2);
    first.stop();
    expect(proxy.count()).toBe(2);
    second.stop();
    await eventually(() => expect(proxy.count()).toBe(1));
    await listen(bus, randomUUID());
  });

  it("never throws, and neither flush nor close waits long for a line that is gone", async () => {
    const bus = await openThrough({ sendLimitMs: 100 });
    bus.publish({ accountId: randomUUID() });
    await bus.flush();
    proxy.freeze();
    const startedAt = performance.now();
    for (let count = 0; count < 10_000; count++) bus.publish({ accountId: randomUUID() });
    await bus.flush();
    await bus.close();
    bus.publish({ accountId: randomUUID() });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  it("sends what was published before it is closed", async () => {
    const accountId = randomUUID();
    const { heard } = await listen(open(urlOf()), accountId);
    const bus = open(urlOf());
    bus.publish({ accountId });
    await bus.close();
    await eventually(() => expect(heard.signals).toEqual([{ accountId }]));
  });

  it("goes on when a subscriber fails, and tells one that has left nothing", async () => {
    const bus = open(urlOf());
    const accountId = randomUUID();
    const fail = () => {
      throw new Error("a reader's fault");
    };
    bus.subscribe({ signals: fail, back: fail });
    const left = await listen(bus, accountId);
    const { heard } = await listen(bus, accountId);
    left.stop();
    bus.publish({ accountId });
    await eventually(() => expect(heard.signals).toEqual([{ accountId }]));
    expect(left.heard.signals).toEqual([]);
  });
}

describe("the bus on PostgreSQL", () => {
  describeBus("postgres");

  const admin = postgres(inject("postgres"), { max: 1, onnotice: () => {} });
  afterAll(() => admin.end());

  it("takes words that nobody of ours has said for a change of anything", async () => {
    const bus = createBus({ postgresUrl: inject("postgres"), log: { warn: () => {} } });
    onTestFinished(() => bus.close());
    let backs = 0;
    const signals: Signal[] = [];
    bus.subscribe({ signals: (all) => void signals.push(...all), back: () => void backs++ });
    await eventually(() => expect(backs).toBeGreaterThan(0));
    const hostile = [
      "",
      "*",
      "null",
      "{}",
      "[1]",
      '["a b c"]',
      '["\'; --"]',
      '["x", ""]',
      "9".repeat(7_999),
    ];
    for (const words of hostile) {
      const before = backs;
      await admin.notify(channel, words);
      await eventually(() => expect(backs).toBeGreaterThan(before));
    }
  });
});

describeRedis("the bus on Redis", () => describeBus("redis"));

describeRedis("the bus on a cluster of Redis", () => {
  it("hears what another process says", async () => {
    const file = join(tmpdir(), `ducat-nodes-${randomUUID()}.conf`);
    const settings = ["--cluster-enabled", "yes", "--cluster-config-file", file];
    const node = await startRedis(...settings, "--cluster-announce-ip", "127.0.0.1");
    onTestFinished(() => node.kill());
    const client = connectRedis(node.url, "consumer");
    await client.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    await eventually(async () =>
      expect(await client.call("CLUSTER", "INFO")).toContain("cluster_state:ok"),
    );
    client.disconnect();
    const redisUrl = `${node.url}/?cluster=true`;
    const options = { postgresUrl: nowhere, redisUrl, log: { warn: () => {} } };
    const [here, there] = [createBus(options), createBus(options)];
    onTestFinished(async () => void (await Promise.all([here.close(), there.close()])));
    const heard: Signal[] = [];
    let backs = 0;
    there.subscribe({ signals: (all) => void heard.push(...all), back: () => void backs++ });
    await eventually(() => expect(backs).toBeGreaterThan(0));
    const signal = { accountId: randomUUID(), generationId: randomUUID() };
    here.publish(signal);
    await eventually(() => expect(heard).toEqual([signal]));
  });
});
