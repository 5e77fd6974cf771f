import type { Task } from "./task.ts";

type Round = (signal: AbortSignal) => Promise<number>;

/** A task of every worker, for rows that the database gives to one of them each. */
export const makeRound = (
  { name, about, everyMs }: Pick<Task, "name" | "everyMs"> & { about: string },
  round: Round,
): Task => ({
  ...{ name, about, everyMs, isParallel: true },
  run: async ({ signal }) => ({ done: await round(signal), more: false }),
});
