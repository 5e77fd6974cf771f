import type { Purge, Walk } from "@ducat/db/purges";
import { z } from "zod";
import type { Task } from "./task.ts";

/** Rows at a time: a few dozen milliseconds, and locks that nobody notices. */
const rowsAtOnce = 1_000;

/** A place in a table; what another release may have left there begins at the beginning. */
const Place = z.uuid().nullable().catch(null);

/** Removes what is old until a batch is not full. */
export const runPurge =
  (purge: Purge, limit = rowsAtOnce): Task["run"] =>
  async ({ db }) => {
    const { removed, isFull } = await purge(db, limit);
    return { done: removed, more: isFull };
  };

/** The same, once through all of a table; a run that was cut short goes on where it was. */
export const runWalk =
  (walk: Walk, limit = rowsAtOnce): Task["run"] =>
  async ({ db, cursor, saveCursor }) => {
    const { removed, isFull, next } = await walk(db, { after: Place.parse(cursor), limit });
    if (isFull) await saveCursor(next);
    return { done: removed, more: isFull };
  };
