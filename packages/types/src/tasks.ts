import { z } from "zod";
import { Time } from "./text.ts";

const count = z.int().min(0);

/** Something that workers do again and again, and how it goes. */
export const UpkeepTask = z
  .strictObject({
    name: z.string().meta({ examples: ["forget-sessions"] }),
    about: z.string(),
    every_seconds: z.number().min(0),
    is_parallel: z.boolean().meta({
      description:
        "Every worker does it, by rows that the database gives to one of them each. " +
        "Otherwise one worker at a time does it.",
    }),
    state: z.enum(["running", "waiting", "idle"]).meta({
      description: "`waiting`: due, asked for, or to be gone on with. One in parallel never runs.",
    }),
    next_due_at: Time.nullable(),
    requested_at: Time.nullable().meta({ description: "Asked for, and not begun." }),
    requested_by: z.string().nullable().meta({ description: "Who asked for a run last." }),
    started_at: Time.nullable(),
    finished_at: Time.nullable(),
    ok_at: Time.nullable().meta({ description: "When a run last ended well." }),
    error: z.string().nullable().meta({ description: "Of the last run; the log says more." }),
    done: count.meta({ description: "Rows, files or accounts of the last run, or of this one." }),
    done_total: count,
    runs: count,
    failures: count,
    failures_in_row: count,
  })
  .meta({ id: "UpkeepTask" });
export type UpkeepTask = z.infer<typeof UpkeepTask>;

export const UpkeepTaskList = z
  .strictObject({ data: z.array(UpkeepTask) })
  .meta({ id: "UpkeepTaskList" });

/** A task's name in a path. */
export const TaskName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/);
