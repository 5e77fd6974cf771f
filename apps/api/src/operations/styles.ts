import { StyleDetail, StyleList } from "@ducat/types/styles";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listStyles",
  tags: ["Styles"],
  summary: "The presets on offer",
  responses: {
    200: answer(StyleList, "All of them, by category."),
    ...problems(...behindKey),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "getStyle",
  tags: ["Styles"],
  summary: "A preset on offer",
  description: "With `inputs`: the params that a generation with it may have.",
  request: { params: z.object({ id: z.string().regex(/^[a-z0-9][\w-]{0,99}$/) }) },
  responses: {
    200: answer(StyleDetail, "As it is now."),
    ...problems(...behindKey, "not_found"),
  },
});
