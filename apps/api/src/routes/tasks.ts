import { listUpkeepTasks, type UpkeepTask as Row, requestUpkeepRun } from "@ducat/db/upkeep";
import type { UpkeepTask } from "@ducat/types/tasks";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/tasks.ts";
import { toTimeOrNull } from "../show-generation.ts";

/** For whoever runs this: the upkeep that workers do, and a push for it. */
export const taskRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const tasks = await listUpkeepTasks(db);
    return c.json({ data: tasks.map(show) }, 200);
  });

  app.openapi(operations.run, async (c) => {
    const { name } = c.req.valid("param");
    return c.json(show(await requestUpkeepRun(db, { name, audit: auditOf(c) })), 202);
  });

  return app;
};

function show({ ok_age_seconds: _age, overdue_seconds: _overdue, ...row }: Row): UpkeepTask {
  return {
    ...row,
    next_due_at: toTimeOrNull(row.next_due_at),
    requested_at: toTimeOrNull(row.requested_at),
    started_at: toTimeOrNull(row.started_at),
    finished_at: toTimeOrNull(row.finished_at),
    ok_at: toTimeOrNull(row.ok_at),
  };
}
