import { randomUUID } from "node:crypto";
import { gatherSignals } from "./gather-signals.ts";
import type { Line, Log } from "./line.ts";
import { openPostgresLine } from "./postgres-line.ts";
import { openRedisLine } from "./redis-line.ts";
import { readSaid, type Signal, writeEcho } from "./signals.ts";

export type { Signal } from "./signals.ts";

export type BusOptions = {
  /** Not through a transaction pooler: who subscribes listens here. */
  postgresUrl: string;
  /** With it signals go through Redis. All processes of a deployment must agree on that. */
  redisUrl?: string | undefined;
  log: Log;
  /** How often a process that listens makes sure that it would hear something. */
  echoMs?: number;
  /** A message that takes longer is given up and said again. */
  sendLimitMs?: number;
};

/** What a subscriber is told; neither may throw. */
export type Subscriber = {
  /** At least one, each named once. They may be of any account. */
  signals(all: Signal[]): void;
  /** Anything may have changed: the line is there for the first time, or signals were lost. */
  back(): void;
};

/**
 * Tells all processes of a deployment, this one included, where there is something new. It says
 * "look again" and nothing else: what there is stands in the database, so a signal that is lost
 * costs its readers time and nothing else.
 */
export type Bus = {
  /**
   * Never throws and never waits. Call it after the change is committed, never inside its
   * transaction: who is woken before the commit reads what stood there before.
   */
  publish(signal: Signal): void;
  /** Hears all signals from now on, until the returned function is called. */
  subscribe(hear: Subscriber): () => void;
  /** Resolves when what was published is sent or could not be, within 2.5 seconds. */
  flush(): Promise<void>;
  /** Sends what was published, and ends all subscriptions. */
  close(): Promise<void>;
};

const usual = { echoMs: 15_000, sendLimitMs: 2_000 };
/** A message that was given up may be said once more. */
const flushLimitMs = (sendLimitMs: number) => sendLimitMs + 500;

/** A bus over Redis where there is one, else over PostgreSQL. It connects when it is first used. */
export function createBus(options: BusOptions): Bus {
  const { postgresUrl, redisUrl, log, echoMs, sendLimitMs } = { ...usual, ...options };
  const line =
    redisUrl === undefined
      ? openPostgresLine(postgresUrl, log, sendLimitMs)
      : openRedisLine(redisUrl, log);
  const gathering = gatherSignals((messages) => line.send(messages), {
    log,
    flushLimitMs: flushLimitMs(sendLimitMs),
  });
  const hearing = createHearing(line, log, echoMs);
  return {
    publish: gathering.publish,
    subscribe: hearing.subscribe,
    flush: gathering.flush,
    async close() {
      hearing.stop();
      await gathering.flush();
      gathering.stop();
      await line.close();
    },
  };
}

/** Listens while somebody subscribes, and listens anew when it does not hear its own words. */
function createHearing(line: Line, log: Log, echoMs: number) {
  const name = randomUUID();
  const subscribers = new Set<Subscriber>();
  let isStopped = false;
  let isBack = false;
  let hasHeard = false;
  let stopListening: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;

  const tell = (say: (to: Subscriber) => void) => {
    for (const one of subscribers) {
      try {
        say(one);
      } catch (err) {
        log.warn({ err }, "a subscriber of the bus failed");
      }
    }
  };
  const back = () => {
    isBack = true;
    tell((one) => one.back());
  };
  const message = (text: string) => {
    const said = readSaid(text);
    if (said === "everything") return back();
    if ("signals" in said) return tell((one) => one.signals(said.signals));
    if (said.echo === name) hasHeard = true;
  };
  const close = () => {
    clearInterval(timer);
    timer = undefined;
    stopListening?.();
    stopListening = undefined;
    isBack = false;
  };
  const open = () => {
    stopListening = line.listen({ message, back });
    hasHeard = true;
    timer = setInterval(check, echoMs).unref();
  };
  /** A connection that is gone in silence gives no error: only its own words are missing. */
  const check = () => {
    if (!hasHeard) {
      log.warn({}, "the bus did not hear its own words and listens anew");
      close();
      open();
      return;
    }
    hasHeard = false;
    line.send([writeEcho(name)]).catch(() => {
      // It could not be said, so that nothing is wrong with not hearing it.
      hasHeard = true;
    });
  };

  return {
    subscribe(hear: Subscriber): () => void {
      if (isStopped) return () => undefined;
      const one = { ...hear };
      subscribers.add(one);
      if (!stopListening) open();
      else if (isBack) queueMicrotask(() => subscribers.has(one) && one.back());
      return () => {
        subscribers.delete(one);
        if (subscribers.size === 0) close();
      };
    },
    stop() {
      isStopped = true;
      subscribers.clear();
      close();
    },
  };
}
