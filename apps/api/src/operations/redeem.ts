import { RedeemCode, Redemption } from "@ducat/types/products";
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

export const redeem = createRoute({
  method: "post",
  path: "/",
  operationId: "redeemCode",
  tags: ["Credits"],
  summary: "Redeem a code",
  description: `Each account once. Refusals with \`invalid_state\` carry \`reason\`: \`redeemed\`,
\`expired\` or \`used_up\`. A code that is not for this account is \`not_found\`.`,
  parameters: [
    ducatAccount,
    {
      name: "Idempotency-Key",
      in: "header" as const,
      required: false,
      description: "A repeat with it gets the first answer; without it, that it was redeemed.",
      schema: { type: "string" as const },
    },
  ],
  request: jsonBody(RedeemCode),
  middleware: [readJson] as const,
  responses: {
    201: answer(Redemption, "The credits are there."),
    ...problems(...forAccount, ...withBody, "idempotency_conflict", "invalid_state"),
  },
});
