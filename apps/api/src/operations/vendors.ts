import { Portfolio, PortfolioQuery } from "@ducat/types/images";
import { VendorPage } from "@ducat/types/vendors";
import { createRoute, z } from "@hono/zod-openapi";
import { answer, problems } from "../describe-route.ts";

const params = z.object({ id: z.uuid().meta({ description: "The vendor's account." }) });
const tags = ["Vendors"];
/** Nobody is asked for a key. */
const security: [] = [];

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "getVendorPage",
  tags,
  security,
  summary: "A vendor, as everybody sees it",
  responses: {
    200: answer(VendorPage, "What it says of itself, and its public albums."),
    ...problems("not_found", "rate_limited"),
  },
  request: { params },
});

export const portfolio = createRoute({
  method: "get",
  path: "/{id}/portfolio",
  operationId: "listPortfolio",
  tags,
  security,
  summary: "The public images of a vendor, newest first",
  request: { params, query: PortfolioQuery },
  responses: {
    200: answer(Portfolio, "A page of them."),
    ...problems("not_found", "validation_failed", "rate_limited"),
  },
});
