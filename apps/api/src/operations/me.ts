import { AccountExport, EraseMe, Me, UpdateMe } from "@ducat/types/me";
import { createRoute } from "@hono/zod-openapi";
import { readAnyJson, readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Accounts"];

export const get = createRoute({
  method: "get",
  path: "/",
  operationId: "getMe",
  tags,
  summary: "The account that you are",
  description: "Or that `Ducat-Account` names.",
  parameters: [ducatAccount],
  responses: { 200: answer(Me, "As it is now."), ...problems(...forAccount) },
});

export const update = createRoute({
  method: "patch",
  path: "/",
  operationId: "updateMe",
  tags,
  summary: "Change what the account says of itself",
  description:
    "null takes a value away. E-mail address and phone number are proven, not changed here.",
  parameters: [ducatAccount],
  request: jsonBody(UpdateMe),
  middleware: [readJson] as const,
  responses: {
    200: answer(Me, "As it is then."),
    ...problems(...forAccount, ...withBody, "invalid_state"),
  },
});

export const erase = createRoute({
  method: "delete",
  path: "/",
  operationId: "eraseMe",
  tags,
  summary: "Erase the account",
  description:
    "All that is personal goes: profile, logins, keys, inputs, texts, files. The ledger and the " +
    "payments stay, and name nobody. This can't be undone. Refused with `invalid_state` and " +
    "`reason` while `generations` run or a `subscription` does; with `confirm` they are ended " +
    "first. What a provider is at work on takes a moment to end: send it again then. For a " +
    "person who has logged in within ten minutes or gives the password, with `totp_code` where " +
    "the login has a second factor (else `forbidden`, reason `reauthenticate`), and for a " +
    "server with the scope `accounts`.",
  parameters: [ducatAccount],
  request: { body: { ...jsonBody(EraseMe).body, required: false } },
  middleware: [readAnyJson] as const,
  responses: {
    204: { description: "It is gone." },
    ...problems(
      ...(["unauthenticated", "forbidden", "account_required", "not_found"] as const),
      ...withBody,
      ...(["invalid_state", "provider_unavailable", "rate_limited"] as const),
    ),
  },
});

export const exportMe = createRoute({
  method: "get",
  path: "/export",
  operationId: "exportMe",
  tags,
  summary: "All that is kept of the account",
  description: "One JSON document, streamed. One export of an account at a time.",
  parameters: [ducatAccount],
  responses: {
    200: answer(AccountExport, "To the end only if it is valid JSON."),
    ...problems(...forAccount, "rate_limited"),
  },
});
