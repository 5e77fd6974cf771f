/** Who counts what upkeep did in this process. */
export type UpkeepMeter = {
  /** A run, or the part of one that this process did. */
  ran(task: string, part: { outcome: "done" | "paused" | "failed" | "lost"; ms: number }): void;
  did(task: string, done: number): void;
};

export const noMeter: UpkeepMeter = { ran() {}, did() {} };
