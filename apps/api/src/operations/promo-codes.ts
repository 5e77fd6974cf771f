import {
  CreatePromoCode,
  PromoCode,
  PromoCodePage,
  PromoCodeQuery,
  UpdatePromoCode,
} from "@ducat/types/products";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import { answer, behindKey, jsonBody, problems, withBody } from "../describe-route.ts";

const tags = ["Admin"];

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListPromoCodes",
  tags,
  summary: "Codes that give credits, newest first",
  request: { query: PromoCodeQuery },
  responses: {
    200: answer(PromoCodePage, "A page of them."),
    ...problems(...behindKey, "validation_failed"),
  },
});

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "adminCreatePromoCode",
  tags,
  summary: "Make a code that gives credits",
  description: "Each account redeems it once. Leaves an audit line.",
  request: jsonBody(CreatePromoCode),
  middleware: [readJson] as const,
  responses: {
    201: answer(PromoCode, "It can be redeemed."),
    ...problems(...behindKey, ...withBody, "already_exists"),
  },
});

export const update = createRoute({
  method: "patch",
  path: "/{id}",
  operationId: "adminUpdatePromoCode",
  tags,
  summary: "Switch a code on or off, or change its bounds",
  description: "What was redeemed stays. Leaves an audit line.",
  request: { params: z.object({ id: Id }), ...jsonBody(UpdatePromoCode) },
  middleware: [readJson] as const,
  responses: {
    200: answer(PromoCode, "As it is now."),
    ...problems(...behindKey, ...withBody, "not_found", "invalid_state"),
  },
});
