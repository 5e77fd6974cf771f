import {
  CatalogFile,
  CatalogPush,
  CatalogVersion,
  CatalogVersionPage,
  CatalogVersionQuery,
  DryRunQuery,
  RestoreCatalog,
} from "@ducat/types/admin-catalog";
import { VersionNumber } from "@ducat/types/admin-styles";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Admin"];
const refusals = [
  ...behindKey,
  ...withBody,
  "invalid_state",
  "in_progress",
  "provider_unavailable",
] as const;

export const get = createRoute({
  method: "get",
  path: "/",
  operationId: "adminGetCatalog",
  tags,
  summary: "The catalog that is in force",
  responses: {
    200: answer(CatalogVersion, "As it was pushed."),
    ...problems(...behindKey, "not_found"),
  },
});

export const listVersions = createRoute({
  method: "get",
  path: "/versions",
  operationId: "adminListCatalogVersions",
  tags,
  summary: "The catalogs that were pushed, newest first",
  request: { query: CatalogVersionQuery },
  responses: {
    200: answer(CatalogVersionPage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const getVersion = createRoute({
  method: "get",
  path: "/versions/{version}",
  operationId: "adminGetCatalogVersion",
  tags,
  summary: "A catalog that was pushed",
  request: { params: z.object({ version: VersionNumber }) },
  responses: {
    200: answer(CatalogVersion, "As it was pushed."),
    ...problems(...behindKey, "not_found"),
  },
});

export const push = createRoute({
  method: "post",
  path: "/",
  operationId: "adminPushCatalog",
  tags,
  summary: "Sell what a catalog says",
  description: `The body is a catalog's file, as in \`catalogs/\`; see \`pnpm catalog push\`, which
does the same. Nothing is deleted: what is missing is retired, and a changed price is a new one.
With Stripe's key its products and prices follow first, which may take minutes; \`in_progress\`:
another push is at it. From then on a start of the deployment leaves the catalog alone, until the
command pushes one. Leaves an audit line, and one more before prices change at Stripe.`,
  request: { query: DryRunQuery, ...jsonBody(CatalogFile) },
  middleware: [readJson] as const,
  responses: { 200: answer(CatalogPush, "What changed, or would."), ...problems(...refusals) },
});

export const restore = createRoute({
  method: "post",
  path: "/restore",
  operationId: "adminRestoreCatalog",
  tags,
  summary: "Go back to a former catalog",
  description: `Pushes what was pushed then, as the next version. \`invalid_state\` with \`reason:
no_document\`: only its rows are known. Leaves audit lines as a push does.`,
  request: { query: DryRunQuery, ...jsonBody(RestoreCatalog) },
  middleware: [readJson] as const,
  responses: {
    200: answer(CatalogPush, "What changed, or would."),
    ...problems(...refusals, "not_found"),
  },
});
