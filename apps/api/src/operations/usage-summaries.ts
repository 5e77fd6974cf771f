import {
  AdminUsage,
  AdminUsageQuery,
  UsageSummary,
  UsageSummaryQuery,
} from "@ducat/types/usage-summaries";
import { createRoute } from "@hono/zod-openapi";
import { answerWithCsv, behindKey, ducatAccount, forAccount, problems } from "../describe-route.ts";

export const summary = createRoute({
  method: "get",
  path: "/",
  operationId: "getUsageSummary",
  tags: ["Entitlements"],
  summary: "What was used, summed up",
  description:
    "By day, style, model, feature, language or category, over 400 days and 5,000 lines at most; " +
    "some minutes old.",
  parameters: [ducatAccount],
  request: { query: UsageSummaryQuery },
  responses: {
    200: answerWithCsv(UsageSummary, "The sums."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const adminUsage = createRoute({
  method: "get",
  path: "/",
  operationId: "adminGetUsage",
  tags: ["Admin"],
  summary: "What all accounts used, what it brought and what it cost",
  description:
    "As the summary of one account, with revenue beside the providers' cost. Over 400 days and " +
    "5,000 lines at most; some minutes old.",
  request: { query: AdminUsageQuery },
  responses: {
    200: answerWithCsv(AdminUsage, "The sums."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});
