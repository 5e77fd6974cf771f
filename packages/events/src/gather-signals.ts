import type { Log } from "./line.ts";
import { type Signal, toKey, writeEverything, writeSignals } from "./signals.ts";

/** What is published within this time goes together. */
const gatherMs = 20;
const retryMs = { first: 100, most: 2_000 };
/** What may wait for a line that is away; of more, one message says that all may have changed. */
const mostWaiting = 5_000;

export type Gathering = {
  publish(signal: Signal): void;
  /** Resolves when what was published is sent or could not be; after `flushLimitMs` anyway. */
  flush(): Promise<void>;
  /** Sends nothing more. */
  stop(): void;
};

/** Gathers signals and sends them by `send`, each once, one batch at a time. */
export function gatherSignals(
  send: (messages: string[]) => Promise<void>,
  { log, flushLimitMs }: { log: Log; flushLimitMs: number },
): Gathering {
  let waiting = new Set<string>();
  let isEverything = false;
  let isSending = false;
  let isStopped = false;
  let faults = 0;
  let timer: NodeJS.Timeout | undefined;
  let flushed: (() => void)[] = [];

  const add = (key: string) => {
    if (isEverything) return;
    waiting.add(key);
    if (waiting.size <= mostWaiting) return;
    isEverything = true;
    waiting.clear();
  };
  const isIdle = () => !isSending && !isEverything && waiting.size === 0;
  const wait = (ms: number) => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void sendAll();
    }, ms).unref();
  };
  const settle = () => {
    for (const resolve of flushed) resolve();
    flushed = [];
  };

  const sendAll = async (): Promise<void> => {
    if (isSending || isStopped || isIdle()) return;
    isSending = true;
    const [keys, wasEverything] = [waiting, isEverything];
    waiting = new Set();
    isEverything = false;
    try {
      await send(wasEverything ? [writeEverything()] : writeSignals([...keys]));
      faults = 0;
    } catch (err) {
      if (faults === 0) log.warn({ err }, "the other processes are not told of changes for now");
      faults += 1;
      isEverything ||= wasEverything;
      for (const key of keys) add(key);
    }
    isSending = false;
    if (!isIdle()) wait(faults === 0 ? 0 : backOff(faults));
    if (isIdle() || faults > 0) settle();
  };

  return {
    publish(signal) {
      if (isStopped) return;
      add(toKey(signal));
      if (!isSending) wait(gatherMs);
    },
    async flush() {
      if (isIdle() || isStopped) return;
      clearTimeout(timer);
      timer = undefined;
      const limited = new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, flushLimitMs);
        flushed.push(() => {
          clearTimeout(limit);
          resolve();
        });
      });
      void sendAll();
      await limited;
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      settle();
    },
  };
}

const backOff = (faults: number) => Math.min(retryMs.first * 2 ** (faults - 1), retryMs.most);
