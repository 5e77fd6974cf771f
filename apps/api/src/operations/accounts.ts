import { Account, CreateAccount } from "@ducat/types/accounts";
import { AccountToken, CreateToken } from "@ducat/types/api-keys";
import { Reference } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "createAccount",
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

export const createToken = createRoute({
  method: "post",
  path: "/{id}/tokens",
  operationId: "createAccountToken",
  tags: ["Accounts"],
  summary: "Make a token for the account's browser",
  description:
    "`id` is the account's id or external id. It opens this account and no other, for 15 minutes " +
    "at most, and can't be taken back.",
  request: { params: z.object({ id: Reference }), ...jsonBody(CreateToken) },
  middleware: [readJson] as const,
  responses: {
    201: answer(AccountToken, "The token."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});
