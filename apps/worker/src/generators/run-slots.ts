export type RunSlots = {
  /** Takes a slot when one is free within `waitMs`, first come, first served; else false. */
  enter(waitMs: number, signal: AbortSignal): Promise<boolean>;
  leave(): void;
  running(): number;
};

/** As many at the same time as there are slots, in this process. */
export function createRunSlots(most: number): RunSlots {
  let running = 0;
  const waiting = new Set<() => void>();
  return {
    running: () => running,
    leave() {
      running -= 1;
      const [next] = waiting;
      next?.();
    },
    async enter(waitMs, signal) {
      if (running < most) {
        running += 1;
        return true;
      }
      return await new Promise<boolean>((resolve) => {
        const end = (hasSlot: boolean) => {
          waiting.delete(take);
          clearTimeout(timer);
          signal.removeEventListener("abort", giveUp);
          resolve(hasSlot);
        };
        const take = () => {
          running += 1;
          end(true);
        };
        const giveUp = () => end(false);
        const timer = setTimeout(giveUp, waitMs);
        signal.addEventListener("abort", giveUp, { once: true });
        waiting.add(take);
      });
    },
  };
}
