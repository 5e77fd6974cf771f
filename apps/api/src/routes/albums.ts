import {
  type Album,
  countAlbums,
  createAlbum,
  deleteAlbum,
  findAlbum,
  listAlbums,
  updateAlbum,
} from "@ducat/db/albums";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/albums.ts";
import { showAlbum } from "../show-image.ts";

export const albumRoutes = ({ db }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("gallery"), requireAccount(findAccount));

  app.openapi(operations.create, async (c) =>
    c.json(showAlbum(await createAlbum(db, c.var.accountId, c.req.valid("json"))), 201),
  );

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, count } = c.req.valid("query");
    const { accountId } = c.var;
    const beforeId = readCursor("album", cursor);
    const [found, total] = await Promise.all([
      listAlbums(db, accountId, { beforeId, limit: limit + 1 }),
      count === "true" ? countAlbums(db, accountId) : undefined,
    ]);
    const toCursor = ({ id }: Album) => makeCursor("album", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    const data = entries.map(showAlbum);
    return c.json({ data, next_cursor, ...(total !== undefined && { total }) }, 200);
  });

  app.openapi(operations.get, async (c) => {
    const row = await findAlbum(db, c.var.accountId, c.req.valid("param").id);
    if (!row) throw new DomainError("not_found");
    return c.json(showAlbum(row), 200);
  });

  app.openapi(operations.update, async (c) => {
    const { id } = c.req.valid("param");
    const change = c.req.valid("json");
    return c.json(showAlbum(await updateAlbum(db, c.var.accountId, { id, change })), 200);
  });

  app.openapi(operations.remove, async (c) => {
    await deleteAlbum(db, c.var.accountId, c.req.valid("param").id);
    return c.body(null, 204);
  });

  return app;
};
