import type { RequestLimit, Standing, Verdict } from "./limit.ts";

export type MemoryLimits = {
  take(limits: readonly RequestLimit[]): Verdict;
  /** The refusal that is known without asking anybody: a window that is used up stays so. */
  findRefusal(limits: readonly RequestLimit[]): Verdict | undefined;
  /** Remembers how these limits stand elsewhere. */
  note(limits: readonly RequestLimit[], verdict: Verdict): void;
};

type Window = { used: number; endsAt: number };

/** About 15 MB. */
const mostWindows = 50_000;
/** How many are looked at for one that is over, when there are too many. */
const mostLooks = 20;

/**
 * Counts requests in this process. It forgets the window that was used the longest ago when it has
 * too many: its memory is bounded, whoever calls.
 */
export function createMemoryLimits(now: () => number, most = mostWindows): MemoryLimits {
  // The longest unused first.
  const windows = new Map<string, Window>();

  const find = ({ key, windowSeconds }: RequestLimit, at: number): Window => {
    const found = windows.get(key);
    if (found && found.endsAt > at) return found;
    return { used: 0, endsAt: at + windowSeconds * 1000 };
  };
  const keep = (key: string, window: Window) => {
    windows.delete(key);
    windows.set(key, window);
    if (windows.size > most) forgetOne();
  };
  const forgetOne = () => {
    const [oldest] = windows.keys();
    let looks = 0;
    for (const [key, { endsAt }] of windows) {
      if (endsAt <= now()) return void windows.delete(key);
      if (++looks >= mostLooks) break;
    }
    if (oldest !== undefined) windows.delete(oldest);
  };
  const toStanding = ({ used, endsAt }: Window, at: number): Standing => ({
    used,
    resetsMs: endsAt - at,
  });
  const isFull = ({ limit }: RequestLimit, { used }: Window) => used >= limit;

  return {
    take(limits) {
      const at = now();
      const open = limits.map((limit) => ({ limit, window: find(limit, at) }));
      const isTaken = !open.some(({ limit, window }) => isFull(limit, window));
      const after = open.map(({ limit: { key }, window }) => {
        if (!isTaken) return window;
        const taken = { ...window, used: window.used + 1 };
        keep(key, taken);
        return taken;
      });
      return { isTaken, standings: after.map((window) => toStanding(window, at)) };
    },
    findRefusal(limits) {
      const at = now();
      const open = limits.map((limit) => ({ limit, window: find(limit, at) }));
      if (!open.some(({ limit, window }) => isFull(limit, window))) return undefined;
      return { isTaken: false, standings: open.map(({ window }) => toStanding(window, at)) };
    },
    note(limits, { standings }) {
      for (const [nth, { used, resetsMs }] of standings.entries()) {
        const key = limits[nth]?.key;
        if (key !== undefined && used > 0) keep(key, { used, endsAt: now() + resetsMs });
      }
    },
  };
}
