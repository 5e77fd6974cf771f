import {
  PublicConfig,
  ResetSettingQuery,
  SetSetting,
  Setting,
  SettingList,
} from "@ducat/types/config";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Admin"];
/** Whether there is such a setting is asked after the body was read, as of every other thing. */
const params = z.object({ key: z.string().regex(/^[a-z0-9][\w:-]{0,63}$/) });

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListSettings",
  tags,
  summary: "What can be set while everything runs",
  responses: { 200: answer(SettingList, "Each setting as it is now."), ...problems(...behindKey) },
});

export const get = createRoute({
  method: "get",
  path: "/{key}",
  operationId: "adminGetSetting",
  tags,
  summary: "One setting",
  request: { params },
  responses: { 200: answer(Setting, "As it is now."), ...problems(...behindKey, "not_found") },
});

export const set = createRoute({
  method: "put",
  path: "/{key}",
  operationId: "adminSetSetting",
  tags,
  summary: "Set a setting",
  description:
    "In force at once, everywhere. `invalid_state` with `reason: changed`: it is not what you " +
    "saw any more. Leaves an audit line.",
  request: { params, ...jsonBody(SetSetting) },
  middleware: [readJson] as const,
  responses: {
    200: answer(Setting, "As it is then."),
    ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
  },
});

export const reset = createRoute({
  method: "delete",
  path: "/{key}",
  operationId: "adminResetSetting",
  tags,
  summary: "Take a setting back",
  description: "The catalog's value counts again, else the default. Leaves an audit line.",
  request: { params, query: ResetSettingQuery },
  responses: {
    200: answer(Setting, "As it is then."),
    ...problems(...behindKey, "not_found", "validation_failed", "invalid_state"),
  },
});

export const getPublic = createRoute({
  method: "get",
  path: "/",
  operationId: "getPublicConfig",
  tags: ["Operations"],
  summary: "The settings that a front end may know",
  security: [],
  responses: {
    200: answer(PublicConfig, "As they are now."),
    ...problems("rate_limited"),
  },
});
