import { setTimeout as wait } from "node:timers/promises";

/** The same outcome, not before `floorMs` have passed: its time shall tell nobody anything. */
export async function evenOut<T>(floorMs: number, work: () => Promise<T>): Promise<T> {
  const [outcome] = await Promise.allSettled([work(), pause(floorMs)]);
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}

/** A refusal not before `floorMs` have passed; who succeeds need not wait for the others' sake. */
export async function evenOutRefusal<T>(floorMs: number, work: () => Promise<T>): Promise<T> {
  const floor = pause(floorMs);
  try {
    return await work();
  } catch (error) {
    await floor;
    throw error;
  }
}

const pause = (ms: number) => (ms > 0 ? wait(ms) : undefined);
