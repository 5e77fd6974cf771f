import { CheckedFeature, CheckFeature, Entitlements } from "@ducat/types/entitlements";
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

const tags = ["Entitlements"];

export const get = createRoute({
  method: "get",
  path: "/",
  operationId: "getEntitlements",
  tags,
  summary: "What the account may do now",
  description:
    "By its plan, its passes and what was agreed with it alone, with what of it is used. Times " +
    "are the account's own.",
  parameters: [ducatAccount],
  responses: { 200: answer(Entitlements, "Now."), ...problems(...forAccount) },
});

export const check = createRoute({
  method: "post",
  path: "/check",
  operationId: "checkFeature",
  tags,
  summary: "Ask whether the account may use so much of a feature",
  description: "Takes nothing: only `POST /v1/usage` is exact.",
  parameters: [ducatAccount],
  request: jsonBody(CheckFeature),
  middleware: [readJson] as const,
  responses: { 200: answer(CheckedFeature, "Now."), ...problems(...forAccount, ...withBody) },
});
