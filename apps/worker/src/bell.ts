export type Bell = {
  /** Ends the wait that is under way, or else the next one. */
  ring(): void;
  /** Until it rings, and at most for so long. */
  wait(ms: number): Promise<void>;
};

/** What wakes a loop that would look again by itself, only later. */
export function createBell(): Bell {
  let isRung = false;
  let wake: () => void = () => undefined;
  return {
    ring() {
      isRung = true;
      wake();
    },
    async wait(ms) {
      if (!isRung) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, ms);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      isRung = false;
    },
  };
}
