import { Anomaly, AnomalyPage, AnomalyQuery } from "@ducat/types/anomalies";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

const tags = ["Admin"];

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListAnomalies",
  tags,
  summary: "What payment providers told that needs a person, newest first",
  description: "Nothing was credited for it.",
  request: { query: AnomalyQuery },
  responses: {
    200: answer(AnomalyPage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const resolve = createRoute({
  method: "post",
  path: "/{id}/resolve",
  operationId: "adminResolveAnomaly",
  tags,
  summary: "Say that an anomaly was dealt with",
  description:
    "It moves no money and no credits, and the same is not reported anew. One that was resolved " +
    "before stays as it is. Leaves an audit line.",
  request: { params: z.object({ id: Id }) },
  responses: {
    200: answer(Anomaly, "It waits for nobody."),
    ...problems(...behindKey, "not_found"),
  },
});
