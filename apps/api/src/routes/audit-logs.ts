import { type AuditLog as Row, searchAuditLogs } from "@ducat/db/audit-logs";
import type { AuditLog } from "@ducat/types/audit-logs";
import { OpenAPIHono } from "@hono/zod-openapi";
import { answerList } from "../answer-list.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import { auditColumns } from "../csv/columns.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/audit-logs.ts";

/** For admins: who did what. */
export const auditLogRoutes = (deps: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const query = c.req.valid("query");
    const { account, resource_id: resourceId, request_id: requestId, ...rest } = query;
    const accountId = account === undefined ? undefined : await findAccount(account);
    return await answerList(c, deps, {
      list: searchAuditLogs(deps.db, { ...rest, resourceId, requestId, accountId }),
      show: (rows) => rows.map(show),
      ...{ kind: "audit_log", name: "audit-logs", columns: auditColumns, query },
    });
  });

  return app;
};

const show = ({ created_at, ...row }: Row): AuditLog => ({
  ...row,
  created_at: created_at.toISOString(),
});
