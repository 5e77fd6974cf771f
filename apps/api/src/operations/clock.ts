import { AdvanceClock, AdvancedClock } from "@ducat/types/clock";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

export const advance = createRoute({
  method: "post",
  path: "/advance",
  operationId: "adminAdvanceClock",
  tags: ["Admin"],
  summary: "Move an account's time ahead",
  description:
    "Test mode only. Does all that falls due on the way, moment by moment and in order: credits " +
    "that expire, refills, renewals, grace, the ends of trials and passes, alerts. " +
    "Idempotency-Key may be left out; with it a call that broke off is gone on with by its " +
    "repetition. Leaves an audit line.",
  parameters: [
    {
      name: "Idempotency-Key",
      in: "header",
      required: false,
      schema: { type: "string", minLength: 1, maxLength: 255 },
    },
  ],
  request: jsonBody(AdvanceClock),
  middleware: [readJson] as const,
  responses: {
    200: answer(AdvancedClock, "The account's time is there, and everything is done."),
    ...problems(
      ...behindKey,
      ...withBody,
      "not_found",
      "idempotency_conflict",
      "provider_unavailable",
    ),
  },
});
