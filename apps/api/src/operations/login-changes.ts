import {
  ChangeEmail,
  ChangePhone,
  VerifyEmailChange,
  VerifyPhoneChange,
} from "@ducat/types/login-changes";
import { CodeSent } from "@ducat/types/logins";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, jsonBody, problems, withBody } from "../describe-route.ts";

/** For people with a session. */
const own = { method: "post" as const, tags: ["Logins"], middleware: readJson };
const refusals = [...withBody, "rate_limited", "unauthenticated", "forbidden"] as const;
const done = { description: "It is theirs. Their other sessions have ended." };
const sent = answer(CodeSent, "The same for every address, whoever has it.");

const start =
  "Sends six digits there, which work for ten minutes, once, for five guesses, in this session. " +
  "Nothing changes before they are shown. Takes the password (and `totp_code`, with a second " +
  "factor), or a session that began by logging in within the last ten minutes: others are " +
  "`forbidden` with the reason `reauthenticate`.";
const finish =
  "Ends all other sessions of the login and tells the address before. `already_exists`: the code " +
  "is right, and another login has the address; it is told to nobody else.";

export const changeEmail = createRoute({
  ...own,
  path: "/email",
  operationId: "changeEmail",
  summary: "Change the e-mail address, or get one",
  description: start,
  request: jsonBody(ChangeEmail),
  responses: { 202: sent, ...problems(...refusals) },
});

export const verifyEmail = createRoute({
  ...own,
  path: "/email/verify",
  operationId: "verifyEmailChange",
  summary: "Show the code that was mailed to the new address",
  description: finish,
  request: jsonBody(VerifyEmailChange),
  responses: { 204: done, ...problems(...refusals, "already_exists") },
});

export const changePhone = createRoute({
  ...own,
  path: "/phone",
  operationId: "changePhone",
  summary: "Change the telephone number, or get one",
  description: start,
  request: jsonBody(ChangePhone),
  responses: { 202: sent, ...problems(...refusals) },
});

export const verifyPhone = createRoute({
  ...own,
  path: "/phone/verify",
  operationId: "verifyPhoneChange",
  summary: "Show the code that was sent to the new number",
  description: finish,
  request: jsonBody(VerifyPhoneChange),
  responses: { 204: done, ...problems(...refusals, "already_exists") },
});
