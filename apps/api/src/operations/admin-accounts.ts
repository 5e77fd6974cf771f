import {
  AccountDetail,
  AccountPage,
  AccountQuery,
  LoginBan,
  LoginRole,
  SetRole,
  Why,
} from "@ducat/types/admin-accounts";
import { Id, Reference } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readAnyJson, readJson } from "../body.ts";
import {
  answer,
  answerWithCsv,
  behindKey,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Admin"];
const params = z.object({ id: Reference });

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListAccounts",
  tags,
  summary: "Find accounts",
  description: "Newest first.",
  request: { query: AccountQuery },
  responses: {
    200: answerWithCsv(AccountPage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "adminGetAccount",
  tags,
  summary: "An account with all that support asks for",
  description: "`id` is the account's id or external id.",
  request: { params },
  responses: {
    200: answer(AccountDetail, "As it is now."),
    ...problems(...behindKey, "not_found"),
  },
});

/** What an operator may say about an act; the audit line keeps it. */
const withWhy = { body: { ...jsonBody(Why).body, required: false } };

type Act<P extends string> = {
  path: P;
  operationId: string;
  summary: string;
  description: string;
};

/** An act on an account that needs no words: its path says it all. */
const act = <P extends string>({ path, description, ...named }: Act<P>) =>
  createRoute({
    ...named,
    method: "post",
    path: `/{id}/${path}` as const,
    tags,
    description: `${description} Leaves an audit line, with \`reason\` if there is one.`,
    request: { params, ...withWhy },
    middleware: [readAnyJson] as const,
    responses: {
      200: answer(AccountDetail, "As it is then."),
      ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
    },
  });

export const deactivate = act({
  path: "deactivate",
  operationId: "adminDeactivateAccount",
  summary: "Shut an account out",
  description: "Whoever acts for it is refused with `forbidden` at once. What it has stays.",
});
export const activate = act({
  path: "activate",
  operationId: "adminActivateAccount",
  summary: "Let an account act again",
  description: "Takes `deactivate` back.",
});
export const freeze = act({
  path: "freeze",
  operationId: "adminFreezeAccount",
  summary: "Let an account spend nothing",
  description: "Reading goes on.",
});
export const unfreeze = act({
  path: "unfreeze",
  operationId: "adminUnfreezeAccount",
  summary: "Let an account spend again",
  description: "Takes `freeze` back; open disputes freeze it by themselves.",
});
export const verifyVendor = act({
  path: "vendor/verify",
  operationId: "adminVerifyVendor",
  summary: "Say that a vendor is who it says",
  description: "Of the profile that it has written.",
});
export const unverifyVendor = act({
  path: "vendor/unverify",
  operationId: "adminUnverifyVendor",
  summary: "Take a vendor's verification back",
  description: "Its profile stays.",
});

export const setRole = createRoute({
  method: "post",
  path: "/{id}/role",
  operationId: "adminSetRole",
  tags,
  summary: "Say what a login may do",
  description: "`support` reads what admins see, `admin` does all. Leaves an audit line.",
  request: { params: z.object({ id: Id }), ...jsonBody(SetRole) },
  middleware: [readJson] as const,
  responses: {
    200: answer(LoginRole, "In force at once, everywhere."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});

const login = { params: z.object({ id: Id }) };

export const removeTotp = createRoute({
  method: "delete",
  path: "/{id}/totp",
  operationId: "adminRemoveTotp",
  tags,
  summary: "Take a second factor away",
  description:
    "Of somebody who has lost it: be sure who asks. All sessions of the login end. Also where " +
    "there is none. Leaves an audit line.",
  request: login,
  responses: { 204: { description: "It has none." }, ...problems(...behindKey, "not_found") },
});

export const ban = createRoute({
  method: "post",
  path: "/{id}/ban",
  operationId: "adminBanLogin",
  tags,
  summary: "Shut a person out",
  description:
    "All sessions of the login end at once, everywhere, on all of its accounts, and it can't log " +
    "in. Keys of its accounts go on: deactivate those. Leaves an audit line, with `reason`.",
  request: { ...login, ...withWhy },
  middleware: [readAnyJson] as const,
  responses: {
    200: answer(LoginBan, "In force at once, everywhere."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});

export const unban = createRoute({
  method: "post",
  path: "/{id}/unban",
  operationId: "adminUnbanLogin",
  tags,
  summary: "Let a person in again",
  description: "Sessions that have ended stay ended. Leaves an audit line, with `reason`.",
  request: { ...login, ...withWhy },
  middleware: [readAnyJson] as const,
  responses: {
    200: answer(LoginBan, "As it is then."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});
