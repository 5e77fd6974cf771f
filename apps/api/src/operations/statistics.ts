import { Statistics, StatisticsQuery } from "@ducat/types/statistics";
import { createRoute } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

export const stats = createRoute({
  method: "get",
  path: "/",
  operationId: "adminGetStatistics",
  tags: ["Admin"],
  summary: "The numbers of the whole deployment",
  description:
    "Of up to 400 days, from sums that workers make every few minutes; `live` is as it is now.",
  request: { query: StatisticsQuery },
  responses: {
    200: answer(Statistics, "The numbers."),
    ...problems(...behindKey, "validation_failed"),
  },
});
