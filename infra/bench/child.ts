import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 10_000;

/** A process that takes part in a measurement and shares no event loop with what it measures. */
export type Child = {
  /** The next message that it sends. Rejects when it ends first, or after the limit. */
  next<T>(limitMs: number): Promise<T>;
  /** Sends a message and resolves to the next one that comes back. */
  ask<T>(message: object | number, limitMs: number): Promise<T>;
  stop(): Promise<void>;
};

/**
 * Runs a TypeScript file of this repository. Its log goes nowhere, its errors to our error output;
 * it ends when we do.
 */
export function startChild(path: string, env: Record<string, string>): Child {
  const follow = new URL("../dev/follow-parent.ts", import.meta.url).href;
  const entry = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--import", follow, entry], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const next = async <T>(limitMs: number): Promise<T> => {
    const over = new AbortController();
    const { signal } = over;
    const limit = sleep(limitMs, undefined, { signal }).then(() => {
      throw new Error(`${path} took over ${limitMs} ms`);
    });
    const end = once(child, "exit", { signal }).then(() => {
      throw new Error(`${path} ended in the middle of its work`);
    });
    const answer = once(child, "message", { signal });
    for (const promise of [limit, end, answer]) promise.catch(() => undefined);
    try {
      const [message] = await Promise.race([answer, end, limit]);
      return message as T;
    } finally {
      over.abort();
    }
  };
  return {
    next,
    ask<T>(message: object | number, limitMs: number): Promise<T> {
      const answer = next<T>(limitMs);
      child.send(message);
      return answer;
    },
    stop: () => stop(child),
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
  await exited;
  clearTimeout(timer);
}

/** Waits until the address answers with a success. */
export async function waitForUrl(url: string): Promise<void> {
  const end = Date.now() + START_LIMIT_MS;
  for (;;) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > end) throw new Error(`${url} says ${answer?.status ?? "nothing"}`);
    await sleep(100);
  }
}
