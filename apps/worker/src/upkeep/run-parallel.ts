import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "@ducat/db/connect";
import { noteUpkeepRuns, type UpkeepNote } from "@ducat/db/upkeep";
import type { Log } from "../log.ts";
import type { Repeating } from "../repeat.ts";
import { safeError } from "../safe-error.ts";
import type { UpkeepMeter } from "./meter.ts";
import { nameFailure } from "./name-failure.ts";
import type { Task, TaskContext } from "./task.ts";

export type ParallelDeps = { db: Db; log: Log; meter: UpkeepMeter };

export type ParallelTask = Repeating & {
  /** Ends the pause between two rounds, if it is one. */
  runNow(): void;
  /** What was done since this was last asked; undefined when nothing was. */
  takeNote(): UpkeepNote | undefined;
};

/**
 * Runs a parallel task again and again: batch after batch while there is more, then `everyMs` and
 * up to a quarter of pause, so that workers that started together drift apart. A round that fails
 * is logged and counted, and the next one comes at its time.
 */
export function runParallel(deps: ParallelDeps, task: Task): ParallelTask {
  const { log, meter } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  let waking = new AbortController();
  let note: UpkeepNote | undefined;

  const round = async () => {
    const startedAt = performance.now();
    let done = 0;
    let error: unknown;
    try {
      const more = (count: number) => {
        done += count;
      };
      await runBatches(task, makeContext(deps, signal), more);
    } catch (thrown) {
      error = thrown;
      if (!signal.aborted) {
        log.warn({ task: task.name, err: safeError(thrown) }, "a periodic task failed");
      }
    }
    const isOk = error === undefined;
    meter.did(task.name, done);
    meter.ran(task.name, { outcome: isOk ? "done" : "failed", ms: performance.now() - startedAt });
    note ??= { name: task.name, runs: 0, failures: 0, done: 0, is_ok: true, error: null };
    note.runs += 1;
    note.failures += isOk ? 0 : 1;
    note.done += done;
    note.is_ok = isOk;
    note.error = isOk ? null : nameFailure(error);
  };
  const pause = async () => {
    const either = AbortSignal.any([signal, waking.signal]);
    await sleep(task.everyMs * (1 + Math.random() / 4), undefined, { signal: either }).catch(
      () => undefined,
    );
    if (waking.signal.aborted) waking = new AbortController();
  };
  const loop = async () => {
    while (!signal.aborted) {
      await round();
      await pause();
    }
  };
  const ended = loop();

  return {
    runNow: () => waking.abort(),
    takeNote() {
      const taken = note;
      note = undefined;
      return taken;
    },
    stop() {
      stopping.abort();
      return ended;
    },
  };
}

async function runBatches(
  task: Task,
  context: TaskContext,
  did: (count: number) => void,
): Promise<void> {
  for (let more = true; more && !context.signal.aborted; ) {
    const batch = await task.run(context);
    did(batch.done);
    more = batch.more;
  }
}

const makeContext = ({ db, log }: ParallelDeps, signal: AbortSignal): TaskContext => ({
  ...{ db, log, signal, cursor: null },
  saveCursor: () => Promise.reject(new Error("A parallel task has no cursor.")),
});

/** Writes down what parallel tasks have done since the last time. What is lost was only counted. */
export async function noteParallel(db: Db, tasks: Iterable<ParallelTask>): Promise<void> {
  const notes = [...tasks].flatMap((task) => task.takeNote() ?? []);
  if (notes.length > 0) await noteUpkeepRuns(db, notes);
}
