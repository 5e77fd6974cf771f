import { type FoundGeneration, searchGenerations } from "@ducat/db/admin-generations";
import type { AdminGeneration } from "@ducat/types/admin-generations";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import { generationColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/admin-generations.ts";
import { toMoment } from "../show-payment.ts";

/** For admins: everybody's generations. */
export const adminGenerationRoutes = (deps: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const query = c.req.valid("query");
    const { account, error_code: errorCode, ...rest } = query;
    const accountId = account === undefined ? undefined : await findAccount(account);
    return await answerList(c, deps, {
      list: searchGenerations(deps.db, { ...rest, errorCode, accountId }),
      show: (rows) => rows.map(show),
      ...{ kind: "admin_generation", name: "generations", columns: generationColumns, query },
    });
  });

  return app;
};

const show = (row: FoundGeneration): AdminGeneration => ({
  id: row.id,
  account_id: row.account_id,
  style: { id: row.style_id, version: row.style_version },
  kind: row.kind,
  status: row.status,
  items: row.item_count,
  failed_items: row.failed_items,
  canceled_items: row.canceled_items,
  error_codes: row.error_codes,
  cost: row.cost,
  captured: row.captured,
  refunded: row.refunded,
  subject: row.subject,
  reference: row.reference,
  retry_of: row.retry_of,
  created_at: row.created_at.toISOString(),
  deadline_at: row.deadline_at.toISOString(),
  completed_at: toMoment(row.completed_at),
  deleted_at: toMoment(row.deleted_at),
});
