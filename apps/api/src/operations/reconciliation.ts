import {
  Reconcile,
  ReconciliationPage,
  ReconciliationQuery,
  RequestedRuns,
} from "@ducat/types/reconciliation";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Admin"];

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListReconciliations",
  tags,
  summary: "Runs of reconciliation, newest first",
  request: { query: ReconciliationQuery },
  responses: {
    200: answer(ReconciliationPage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const request = createRoute({
  method: "post",
  path: "/",
  operationId: "adminReconcile",
  tags,
  summary: "Reconcile as soon as possible",
  description:
    "A worker compares the books with the providers' and repairs ours. A run that waits already " +
    "is the answer, with the earlier of the two dates. Leaves an audit line.",
  request: jsonBody(Reconcile),
  middleware: [readJson] as const,
  responses: {
    202: answer(RequestedRuns, "The runs that wait, one for each provider."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});
