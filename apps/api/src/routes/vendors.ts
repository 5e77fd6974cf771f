import type { Image } from "@ducat/db/images";
import { findVendorPage, listPortfolio } from "@ducat/db/portfolios";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/vendors.ts";
import { showPublicImage, showVendorPage } from "../show-image.ts";

/** What vendors show to everybody; nobody is asked for a key. */
export const vendorPageRoutes = ({ db, urlSigner }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.get, async (c) => {
    const row = await findVendorPage(db, c.req.valid("param").id);
    if (!row) throw new DomainError("not_found");
    return c.json(showVendorPage(row, urlSigner), 200);
  });

  app.openapi(operations.portfolio, async (c) => {
    const { limit, cursor, album_id, ...rest } = c.req.valid("query");
    const beforeId = readCursor("image", cursor);
    const filter = { ...rest, albumId: album_id, beforeId, limit: limit + 1 };
    const found = await listPortfolio(db, c.req.valid("param").id, filter);
    if (!found) throw new DomainError("not_found");
    const toCursor = ({ id }: Image) => makeCursor("image", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    const data = entries.map((row) => showPublicImage(row, urlSigner));
    return c.json({ data, next_cursor }, 200);
  });

  return app;
};
