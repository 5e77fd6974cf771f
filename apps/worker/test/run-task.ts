import type { Db } from "@ducat/db/connect";
import type { Log } from "../src/log.ts";
import type { Task } from "../src/upkeep/task.ts";

const quiet: Log = { info() {}, warn() {}, error() {} };

/** Runs a task batch by batch to its end, as its runner does. Returns how much was done. */
export async function runTask(
  db: Db,
  run: Task["run"],
  { signal = new AbortController().signal, log = quiet } = {},
): Promise<number> {
  let [total, cursor]: [number, unknown] = [0, null];
  const saveCursor = async (at: unknown) => {
    cursor = JSON.parse(JSON.stringify(at));
  };
  for (let batch = 0; batch < 1_000; batch += 1) {
    const { done, more } = await run({ db, log, signal, cursor, saveCursor });
    total += done;
    if (!more) return total;
  }
  throw new Error("the task comes to no end");
}
