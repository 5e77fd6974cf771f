import {
  createPromoCode,
  listPromoCodes,
  type PromoCode as Row,
  updatePromoCode,
} from "@ducat/db/promo-codes";
import type { PromoCode } from "@ducat/types/products";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/promo-codes.ts";
import { toTime } from "../show-generation.ts";

export const promoCodeRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, code } = c.req.valid("query");
    const before = readCursor("promo_code", cursor);
    const found = await listPromoCodes(db, { code, before, limit: limit + 1 });
    const toCursor = ({ id }: Row) => makeCursor("promo_code", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(show), next_cursor }, 200);
  });

  app.openapi(operations.create, async (c) =>
    c.json(show(await createPromoCode(db, c.req.valid("json"), auditOf(c))), 201),
  );

  app.openapi(operations.update, async (c) => {
    const change = { ...c.req.valid("json"), audit: auditOf(c) };
    return c.json(show(await updatePromoCode(db, c.req.valid("param").id, change)), 200);
  });

  return app;
};

function show({ starts_at, expires_at, created_at, ...row }: Row): PromoCode {
  return {
    ...row,
    starts_at: starts_at && toTime(starts_at),
    expires_at: expires_at && toTime(expires_at),
    created_at: toTime(created_at),
  };
}
