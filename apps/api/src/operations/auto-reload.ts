import { AutoReload, SetAutoReload } from "@ducat/types/credits";
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
  operationId: "getAutoReload",
  tags,
  summary: "Whether credits are bought when they run low",
  parameters: [ducatAccount],
  responses: { 200: answer(AutoReload, "As it is set."), ...problems(...forAccount) },
});

export const set = createRoute({
  method: "put",
  path: "/",
  operationId: "setAutoReload",
  tags,
  summary: "Have credits bought when they run low",
  description:
    "With a saved card it is charged while the customer is away; without one, or where the " +
    "provider can't, a link to pay is sent. Switched on again it forgets failed charges.",
  parameters: [ducatAccount],
  request: jsonBody(SetAutoReload),
  middleware: [readJson] as const,
  responses: {
    200: answer(AutoReload, "As it is set now."),
    ...problems(...forAccount, ...withBody),
  },
});
