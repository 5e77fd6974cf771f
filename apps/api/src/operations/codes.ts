import {
  AnswerChallenge,
  CodeSent,
  LoggedIn,
  OfferTotp,
  SendCode,
  SessionTokens,
  ShowTotp,
  TotpOffer,
  VerifyCode,
} from "@ducat/types/logins";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Logins"];
/** Nobody is asked for a key. */
const open = { method: "post" as const, tags, security: [], middleware: readJson };
/** For people with a session. */
const own = { method: "post" as const, tags, middleware: readJson };
const refusals = [...withBody, "rate_limited"] as const;
const ofOwn = [...refusals, "unauthenticated", "forbidden", "invalid_state"] as const;
const done = { description: "It is done." };

export const send = createRoute({
  ...open,
  path: "/otp/send",
  operationId: "sendCode",
  summary: "Send a code to a telephone",
  description:
    "Six digits that work for ten minutes, once, for five guesses at most and for this purpose " +
    "only; the next code makes this one void. The answer is the same whoever has the number. " +
    "At most three in ten minutes and ten a day to one number.",
  request: jsonBody(SendCode),
  responses: { 202: answer(CodeSent, "It is on its way."), ...problems(...refusals) },
});

export const verify = createRoute({
  ...open,
  path: "/otp/verify",
  operationId: "verifyCode",
  summary: "Use a code",
  description:
    "`login` and `phone_verify` begin a session and sign up who has no login yet; the first " +
    "proof of a number gives the trial credits. `phone_verify` takes the password of a sign-up; " +
    "a login that has one keeps it. `password_reset` changes it, and ends every session.",
  request: jsonBody(VerifyCode),
  responses: {
    200: answer(LoggedIn, "The session's tokens, or what stands before it."),
    204: { description: "The password is changed." },
    ...problems(...refusals, "unauthenticated", "invalid_state"),
  },
});

export const answerChallenge = createRoute({
  ...open,
  path: "/totp/verify",
  operationId: "answerChallenge",
  summary: "Show the second factor",
  description:
    "With the challenge that logging in gave and a code of the authenticator, or a backup code. " +
    "Each code is accepted once; a challenge takes five guesses.",
  request: jsonBody(AnswerChallenge),
  responses: {
    200: answer(SessionTokens, "The session's tokens."),
    ...problems(...refusals, "unauthenticated"),
  },
});

export const offerTotp = createRoute({
  ...own,
  path: "/totp",
  operationId: "offerTotp",
  summary: "Get a second factor",
  description:
    "A secret for an authenticator app and ten backup codes, shown this once. It is in force " +
    "when a first code of it is shown to `POST /totp/activate`. For verified logins; one without " +
    "a password has logged in within the last ten minutes.",
  request: jsonBody(OfferTotp),
  responses: {
    201: answer(TotpOffer, "The secret and the codes."),
    ...problems(...ofOwn, "not_verified"),
  },
});

export const activateTotp = createRoute({
  ...own,
  path: "/totp/activate",
  operationId: "activateTotp",
  summary: "Put the second factor in force",
  request: jsonBody(ShowTotp),
  responses: { 204: done, ...problems(...ofOwn) },
});

export const disableTotp = createRoute({
  ...own,
  path: "/totp/disable",
  operationId: "disableTotp",
  summary: "Do without the second factor",
  description: "With a code of it, or a backup code.",
  request: jsonBody(ShowTotp),
  responses: { 204: done, ...problems(...ofOwn) },
});
