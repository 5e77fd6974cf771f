import {
  NewStyle,
  PublishStyle,
  RestoreStyle,
  StyleVersion,
  StyleVersionList,
  StyleVersionPage,
  StyleVersionQuery,
  VersionNumber,
} from "@ducat/types/admin-styles";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Admin"];
/** Looser than a new style's: what is not there is told after the body was read. */
const id = z.string().regex(/^[a-z0-9][\w-]{0,99}$/);
const params = z.object({ id });

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListStyles",
  tags,
  summary: "Every preset, on offer or not",
  responses: {
    200: answer(StyleVersionList, "The current version of each."),
    ...problems(...behindKey),
  },
});

export const listVersions = createRoute({
  method: "get",
  path: "/{id}/versions",
  operationId: "adminListStyleVersions",
  tags,
  summary: "The versions of a preset, newest first",
  request: { params, query: StyleVersionQuery },
  responses: {
    200: answer(StyleVersionPage, "A page of them."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "adminGetStyle",
  tags,
  summary: "A preset as it is now",
  request: { params },
  responses: {
    200: answer(StyleVersion, "Its current version."),
    ...problems(...behindKey, "not_found"),
  },
});

export const getVersion = createRoute({
  method: "get",
  path: "/{id}/versions/{version}",
  operationId: "adminGetStyleVersion",
  tags,
  summary: "One version of a preset",
  request: { params: z.object({ id, version: VersionNumber }) },
  responses: { 200: answer(StyleVersion, "As it was."), ...problems(...behindKey, "not_found") },
});

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "adminCreateStyle",
  tags,
  summary: "Publish a new preset",
  description: "On offer at once. Leaves an audit line.",
  request: jsonBody(NewStyle),
  middleware: [readJson] as const,
  responses: {
    201: answer(StyleVersion, "Its first version."),
    ...problems(...behindKey, ...withBody, "already_exists"),
  },
});

export const publish = createRoute({
  method: "put",
  path: "/{id}",
  operationId: "adminPublishStyle",
  tags,
  summary: "Publish the next version of a preset",
  description:
    "Generations keep the version that they were made with. What doesn't differ makes no " +
    "version. Leaves an audit line.",
  request: { params, ...jsonBody(PublishStyle) },
  middleware: [readJson] as const,
  responses: {
    200: answer(StyleVersion, "Its current version."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});

export const restore = createRoute({
  method: "post",
  path: "/{id}/restore",
  operationId: "adminRestoreStyle",
  tags,
  summary: "Go back to a former version of a preset",
  description: "Its content becomes the next version. Leaves an audit line.",
  request: { params, ...jsonBody(RestoreStyle) },
  middleware: [readJson] as const,
  responses: {
    200: answer(StyleVersion, "Its current version."),
    ...problems(...behindKey, ...withBody, "not_found"),
  },
});

type Act<P extends string> = {
  path: P;
  operationId: string;
  summary: string;
  description: string;
};

const act = <P extends string>({ path, description, ...named }: Act<P>) =>
  createRoute({
    ...named,
    method: "post",
    path: `/{id}/${path}` as const,
    tags,
    description: `${description} Leaves an audit line.`,
    request: { params },
    responses: {
      200: answer(StyleVersion, "Its current version."),
      ...problems(...behindKey, "not_found"),
    },
  });

export const activate = act({
  path: "activate",
  operationId: "adminActivateStyle",
  summary: "Put a preset on offer",
  description: "Takes `deactivate` back.",
});
export const deactivate = act({
  path: "deactivate",
  operationId: "adminDeactivateStyle",
  summary: "Take a preset off",
  description: "Nothing new is made with it; what is running goes on.",
});
