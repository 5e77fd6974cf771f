import {
  EndSessions,
  LoggedIn,
  LogIn,
  MailAccepted,
  MailMe,
  Refresh,
  Register,
  ResetPassword,
  Sessions,
  SessionTokens,
  VerifyEmail,
} from "@ducat/types/logins";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Logins"];
/** Nobody is asked for a key. */
const open = {
  method: "post" as const,
  tags,
  security: [],
  middleware: readJson,
};
const refusals = [...withBody, "rate_limited"] as const;
const mailed = answer(MailAccepted, "The same for every address, whoever has it.");
const done = { description: "It is done." };

export const register = createRoute({
  ...open,
  path: "/register",
  operationId: "register",
  summary: "Sign up",
  description:
    "Mails a link that proves the address; the first proof gives the trial credits. Whoever has " +
    "a login already is told so by mail. A number gets a code instead, for `POST /otp/verify` " +
    "with `phone_verify` and the password again: nothing is kept of it before.",
  request: jsonBody(Register),
  responses: { 202: mailed, ...problems(...refusals) },
});

export const logIn = createRoute({
  ...open,
  path: "/login",
  operationId: "logIn",
  summary: "Log in",
  description:
    "Begins a session, bound to one account of the login: `kind` says which. Until the address " +
    "is proven it may read and not spend. Whoever has a second factor gets a challenge for " +
    "`POST /totp/verify`.",
  request: jsonBody(LogIn),
  responses: {
    200: answer(LoggedIn, "The session's tokens, or what stands before it."),
    ...problems(...refusals, "unauthenticated", "invalid_state"),
  },
});

export const refresh = createRoute({
  ...open,
  path: "/refresh",
  operationId: "refreshSession",
  summary: "Exchange a refresh token",
  description:
    "Each works once. Asked again within ten seconds, the newest one gives the same answer; an " +
    "older one has been seen by somebody else and ends the session.",
  request: jsonBody(Refresh),
  responses: {
    200: answer(SessionTokens, "The next tokens."),
    ...problems(...refusals, "unauthenticated"),
  },
});

export const verifyEmail = createRoute({
  ...open,
  path: "/verify-email",
  operationId: "verifyEmail",
  summary: "Prove an e-mail address",
  description: "With the token of the link that was mailed.",
  request: jsonBody(VerifyEmail),
  responses: { 204: done, ...problems(...refusals, "invalid_state") },
});

export const resendVerification = createRoute({
  ...open,
  path: "/resend-verification",
  operationId: "resendVerification",
  summary: "Mail the link that proves an address again",
  request: jsonBody(MailMe),
  responses: { 202: mailed, ...problems(...refusals) },
});

export const forgotPassword = createRoute({
  ...open,
  path: "/forgot-password",
  operationId: "forgotPassword",
  summary: "Mail a link for a new password",
  request: jsonBody(MailMe),
  responses: { 202: mailed, ...problems(...refusals) },
});

export const resetPassword = createRoute({
  ...open,
  path: "/reset-password",
  operationId: "resetPassword",
  summary: "Choose a new password",
  description: "With the token of the link that was mailed. Every session of the login ends.",
  request: jsonBody(ResetPassword),
  responses: { 204: done, ...problems(...refusals, "invalid_state") },
});

const own = ["unauthenticated", "forbidden", "rate_limited"] as const;

export const logOut = createRoute({
  method: "post",
  path: "/logout",
  operationId: "logOut",
  tags,
  summary: "End this session",
  responses: { 204: done, ...problems(...own) },
});

export const listSessions = createRoute({
  method: "get",
  path: "/sessions",
  operationId: "listSessions",
  tags,
  summary: "List the login's open sessions",
  responses: {
    200: answer(Sessions, "The latest used first, on all of the login's accounts."),
    ...problems(...own),
  },
});

export const endSessions = createRoute({
  method: "delete",
  path: "/sessions",
  operationId: "endAllSessions",
  tags,
  summary: "End all sessions of the login",
  request: { query: EndSessions },
  responses: { 204: done, ...problems(...own, "validation_failed") },
});

export const endSession = createRoute({
  method: "delete",
  path: "/sessions/{id}",
  operationId: "endSession",
  tags,
  summary: "End a session of the login",
  request: { params: z.object({ id: Id }) },
  responses: { 204: done, ...problems(...own, "not_found") },
});
