import { AdminGenerationPage, AdminGenerationQuery } from "@ducat/types/admin-generations";
import { createRoute } from "@hono/zod-openapi";
import { answerWithCsv, behindKey, problems } from "../describe-route.ts";

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListGenerations",
  tags: ["Admin"],
  summary: "Generations of every account, newest first",
  description: `Without what people wrote or got. A page whose filter fits few may be short, even
empty, and not the last: follow \`next_cursor\`.`,
  request: { query: AdminGenerationQuery },
  responses: {
    200: answerWithCsv(AdminGenerationPage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});
