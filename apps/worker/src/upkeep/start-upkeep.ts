import type { Db } from "@ducat/db/connect";
import { claimUpkeepTask, registerUpkeepTasks } from "@ducat/db/upkeep";
import type { Log } from "../log.ts";
import { type Repeating, repeat } from "../repeat.ts";
import { safeError } from "../safe-error.ts";
import type { UpkeepMeter } from "./meter.ts";
import { type ClaimedDeps, runClaimed } from "./run-claimed.ts";
import { noteParallel, type ParallelTask, runParallel } from "./run-parallel.ts";
import type { Task } from "./task.ts";

export type UpkeepTimings = {
  /** Between two questions for a task that is due. */
  pollMs: number;
  /** How long a run stays with a worker of which nothing is heard. */
  leaseMs: number;
  /** A run that takes longer lets others have their turn, and goes on behind them. */
  sliceMs: number;
  /** Between two notes of what the parallel tasks did. */
  noteMs: number;
  /** Between two times of saying which tasks there are. */
  registerMs: number;
};

export type UpkeepDeps = { db: Db; log: Log; meter: UpkeepMeter; timings: UpkeepTimings };

/** Runs of one process at a time; each holds a connection now and then. */
const atOnce = 3;

/**
 * Sees to all tasks of this worker. A task is done by one worker at a time, whichever asks first
 * when it is due; a parallel one by every worker. Before the database is up it only waits.
 */
export function startUpkeep(deps: UpkeepDeps, tasks: Task[]): Repeating {
  const names = new Set(tasks.map(({ name }) => name));
  if (names.size < tasks.length) throw new Error("Two upkeep tasks have one name.");
  const { db, log, timings } = deps;
  const parallel = new Map(
    tasks.flatMap((task) => (task.isParallel ? [[task.name, runParallel(deps, task)]] : [])),
  );
  const scheduler = startScheduler(deps, tasks, parallel);
  const writeNotes = async () => {
    // Before, there is no row to write them to.
    if (scheduler.isRegistered()) await noteParallel(db, parallel.values());
  };
  const notes = repeat({ name: "upkeep notes", everyMs: timings.noteMs, log }, writeNotes);
  return {
    async stop() {
      await Promise.all([...parallel.values(), notes, scheduler].map((one) => one.stop()));
      await writeNotes().catch(() => undefined);
    },
  };
}

function startScheduler(
  deps: UpkeepDeps,
  tasks: Task[],
  parallel: Map<string, ParallelTask>,
): Repeating & { isRegistered(): boolean } {
  const { db, log, timings } = deps;
  const closing = new AbortController();
  const claimed: ClaimedDeps = { ...deps, ...timings, closing: closing.signal };
  const byName = new Map(tasks.map((task) => [task.name, task]));
  /** At work here, and those that are deaf to the loss of their lease: not begun a second time. */
  const busy = new Set<string>();
  const running = new Set<Promise<void>>();
  let registeredAt: number | undefined;

  const register = async () => {
    const now = performance.now();
    if (registeredAt !== undefined && now - registeredAt < timings.registerMs) return;
    await registerUpkeepTasks(db, tasks.map(toRegistered));
    registeredAt = now;
  };
  const start = (task: Task, claim: Parameters<typeof runClaimed>[2]) => {
    busy.add(task.name);
    const { ended, settled } = runClaimed(claimed, task, claim);
    // Whoever is next in line need not wait for the poll.
    void settled.then(() => {
      busy.delete(task.name);
      if (!closing.signal.aborted) void fill();
    });
    const turn = ended.then(() => void running.delete(turn));
    running.add(turn);
  };
  const claimAll = async () => {
    while (running.size < atOnce && !closing.signal.aborted) {
      const free = [...byName.keys()].filter((name) => !busy.has(name));
      const claim = await claimUpkeepTask(db, free, timings.leaseMs / 1_000);
      const task = claim && byName.get(claim.name);
      if (!task) return;
      if (claim.token === null) parallel.get(task.name)?.runNow();
      else start(task, claim);
    }
  };
  // One at a time: two would claim more than there is room for.
  let filling: Promise<void> | undefined;
  const fill = () => {
    filling ??= claimAll()
      .catch((error) => log.warn({ err: safeError(error) }, "no upkeep could be claimed"))
      .finally(() => {
        filling = undefined;
      });
    return filling;
  };
  const polling = repeat({ name: "upkeep", everyMs: timings.pollMs, soon: true, log }, async () => {
    await register();
    await fill();
  });

  return {
    isRegistered: () => registeredAt !== undefined,
    async stop() {
      closing.abort();
      await Promise.all([polling.stop(), filling]);
      await Promise.all(running);
    },
  };
}

const toRegistered = ({ name, about = "", everyMs, isParallel = false }: Task) => ({
  ...{ name, about, isParallel },
  everySeconds: everyMs / 1_000,
});
