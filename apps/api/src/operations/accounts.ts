import { Account, CreateAccount } from "@ducat/types/accounts";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

export const create = createRoute({
  method: "post",
  path: "/",
  tags: ["Accounts"],
  summary: "Make an account with its free trial credits",
  description: "A known `external_id` returns the account as it is, unchanged, with 200.",
  request: jsonBody(CreateAccount),
  middleware: [readJson] as const,
  responses: {
    200: answer(Account, "The account that has this external id."),
    201: answer(Account, "The new account."),
    ...problems(...behindKey, ...withBody, "already_exists"),
  },
});
