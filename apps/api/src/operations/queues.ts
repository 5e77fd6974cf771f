import { QueueTicket, QueueTicketQuery } from "@ducat/types/queues";
import { createRoute } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

const tags = ["Admin"];

/** Where the dashboard is, and the only place that its cookie is sent to. */
export const queuesPath = "/v1/admin/queues";

export const open = createRoute({
  method: "post",
  path: `${queuesPath}/session`,
  operationId: "adminOpenQueues",
  tags,
  summary: "Let a browser see the queues",
  description:
    "Open `url` in it within a minute: it works once, and the browser is in for 15 minutes, or " +
    "until you may not administer any more. Leaves an audit line.",
  responses: { 201: answer(QueueTicket, "Where to go."), ...problems(...behindKey) },
});

export const enter = createRoute({
  method: "get",
  path: `${queuesPath}/enter`,
  operationId: "adminEnterQueues",
  tags,
  summary: "Come in with a ticket",
  description: "For the browser that opens the `url` of `POST /v1/admin/queues/session`.",
  security: [],
  request: { query: QueueTicketQuery },
  responses: {
    200: {
      description: "A page that leads to the dashboard, and a cookie for it alone.",
      content: { "text/html": { schema: { type: "string" } } },
    },
    ...problems("unauthenticated", "rate_limited"),
  },
});
