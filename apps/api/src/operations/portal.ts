import { OpenPortal, Portal } from "@ducat/types/checkout";
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

export const open = createRoute({
  method: "post",
  path: "/",
  operationId: "openPortal",
  tags: ["Billing"],
  summary: "Open the provider's page where cards and plans are managed",
  parameters: [ducatAccount],
  request: jsonBody(OpenPortal),
  middleware: [readJson] as const,
  responses: {
    201: answer(Portal, "It is open for a while."),
    ...problems(...forAccount, ...withBody, "invalid_state", "provider_unavailable"),
  },
});
