import { TaskName, UpkeepTask, UpkeepTaskList } from "@ducat/types/tasks";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

const tags = ["Admin"];

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListTasks",
  tags,
  summary: "What workers do by the clock, and how it goes",
  description: "By name: all that a worker has named in the last week.",
  responses: {
    200: answer(UpkeepTaskList, "All of it."),
    ...problems(...behindKey),
  },
});

export const run = createRoute({
  method: "post",
  path: "/{name}/run",
  operationId: "adminRunTask",
  tags,
  summary: "Do a task as soon as possible",
  description:
    "A worker begins it within seconds. `invalid_state` with `reason: running` while it is being " +
    "done. Leaves an audit line.",
  request: { params: z.object({ name: TaskName }) },
  responses: {
    202: answer(UpkeepTask, "It waits for a worker."),
    ...problems(...behindKey, "not_found", "invalid_state"),
  },
});
