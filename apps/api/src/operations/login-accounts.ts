import {
  LoginAccount,
  LoginAccounts,
  OpenAccount,
  SwitchAccount,
} from "@ducat/types/login-accounts";
import { SessionTokens } from "@ducat/types/logins";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Logins"];
const own = ["unauthenticated", "forbidden", "rate_limited"] as const;

export const list = createRoute({
  method: "get",
  path: "/accounts",
  operationId: "listLoginAccounts",
  tags,
  summary: "List the login's accounts",
  description: "Each has credits, a plan, payments and sessions of its own.",
  responses: { 200: answer(LoginAccounts, "The first first."), ...problems(...own) },
});

export const open = createRoute({
  method: "post",
  path: "/accounts",
  operationId: "openLoginAccount",
  tags,
  summary: "Get a vendor account",
  description:
    "Beside the account of the user; the trial is the person's, so that it has none. This " +
    "session stays on its account: go on with `POST /v1/auth/sessions`. Safe to repeat: a vendor " +
    "account that there is stays as it is.",
  request: jsonBody(OpenAccount),
  middleware: readJson,
  responses: {
    200: answer(LoginAccount, "There was one."),
    201: answer(LoginAccount, "It was made."),
    ...problems(...own, ...withBody, "not_verified"),
  },
});

export const switchAccount = createRoute({
  method: "post",
  path: "/sessions",
  operationId: "switchAccount",
  tags,
  summary: "Go on with another account of the login",
  description:
    "Begins a session on it beside this one, with which it ends. It counts as no log-in where " +
    "one is asked for that was lately.",
  request: jsonBody(SwitchAccount),
  middleware: readJson,
  responses: {
    201: answer(SessionTokens, "The new session's tokens."),
    ...problems(...own, ...withBody, "not_found"),
  },
});
