import { AdminProductList, ProductList, ProductQuery } from "@ducat/types/products";
import { createRoute } from "@hono/zod-openapi";
import { answer, behindKey, problems } from "../describe-route.ts";

const headers = [
  {
    name: "Ducat-Account",
    in: "header" as const,
    required: false,
    description: "Only what this account may buy, in its language: its id or external id.",
    schema: { type: "string" as const },
  },
  {
    name: "Accept-Language",
    in: "header" as const,
    required: false,
    description: "The language of texts and prices; goes before the account's own.",
    schema: { type: "string" as const },
    example: "fa-IR, en;q=0.5",
  },
];

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listProducts",
  tags: ["Billing"],
  summary: "What is sold",
  description: "In the catalog's order. A checkout takes a price's `id` or a product's `key`.",
  parameters: headers,
  request: { query: ProductQuery },
  responses: {
    200: answer(ProductList, "All of it."),
    ...problems(...behindKey, "not_found", "validation_failed"),
  },
});

export const listAll = createRoute({
  method: "get",
  path: "/",
  operationId: "adminListProducts",
  tags: ["Admin"],
  summary: "What is or was sold",
  description: "With retired products and prices. `pnpm catalog push` is what changes them.",
  responses: { 200: answer(AdminProductList, "All of it."), ...problems(...behindKey) },
});
