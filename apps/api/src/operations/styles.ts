import { StyleList } from "@ducat/types/styles";
import { createRoute } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

export const list = createRoute({
  method: "get",
  path: "/",
  tags: ["Styles"],
  summary: "The presets on offer",
  responses: {
    200: answer(StyleList, "All of them, by category."),
    ...problems(...behindKey),
  },
});
