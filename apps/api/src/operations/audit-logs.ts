import { AuditLogPage, AuditLogQuery } from "@ducat/types/audit-logs";
import { createRoute } from "@hono/zod-openapi";
import { answerWithCsv, behindKey, problems } from "../describe-route.ts";

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListAuditLogs",
  tags: ["Admin"],
  summary: "Who did what, newest first",
  description: "Acts of admins and servers; what accounts do every day leaves no lines.",
  request: { query: AuditLogQuery },
  responses: {
    200: answerWithCsv(AuditLogPage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});
