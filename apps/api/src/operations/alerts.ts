import { Alerts, SetAlerts } from "@ducat/types/alerts";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Credits"];

export const get = createRoute({
  method: "get",
  path: "/",
  operationId: "getAlerts",
  tags,
  summary: "What the account is told before something runs out",
  parameters: [ducatAccount],
  responses: { 200: answer(Alerts, "As it is set."), ...problems(...forAccount) },
});

export const set = createRoute({
  method: "put",
  path: "/",
  operationId: "setAlerts",
  tags,
  summary: "Say what the account is told before something runs out",
  description:
    "Each crossing is told once: `credits.low`, `credits.expiring`, `quota.warning` at 80 % and " +
    "`quota.reached` at 100 %. A top-up or a new period arms it again.",
  parameters: [ducatAccount],
  request: jsonBody(SetAlerts),
  middleware: [readJson] as const,
  responses: {
    200: answer(Alerts, "As it is set now."),
    ...problems(...forAccount, ...withBody),
  },
});
