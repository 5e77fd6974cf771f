import {
  countImages,
  deleteImage,
  findImage,
  type Image,
  listImages,
  updateImage,
} from "@ducat/db/images";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/images.ts";
import { removeFiles } from "../remove-files.ts";
import { createImageSaver, refuseAlbum } from "../save-image.ts";
import { showImage } from "../show-image.ts";

export const imageRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, urlSigner, entitlements } = deps;
  const saveImage = createImageSaver(deps);

  /** Errors: not_found. */
  const show = async (accountId: string, id: string) => {
    const row = await findImage(db, accountId, id);
    if (!row) throw new DomainError("not_found");
    return showImage(row, urlSigner);
  };

  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("gallery"), requireAccount(findAccount));

  app.openapi(operations.create, async (c) => {
    const { upload_id, generation_item_id, ...details } = c.req.valid("json");
    const { accountId, requestId } = c.var;
    const source =
      upload_id === undefined ? { itemId: generation_item_id ?? "" } : { uploadId: upload_id };
    const { id, replayed } = await saveImage(accountId, { source, details, requestId });
    return c.json(await show(accountId, id), replayed ? 200 : 201);
  });

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, count, album_id, is_public, ...rest } = c.req.valid("query");
    const { accountId } = c.var;
    const isPublic = is_public === undefined ? undefined : is_public === "true";
    const filter = { ...rest, albumId: album_id, isPublic };
    const beforeId = readCursor("image", cursor);
    const [found, total] = await Promise.all([
      listImages(db, accountId, { ...filter, beforeId, limit: limit + 1 }),
      count === "true" ? countImages(db, accountId, filter) : undefined,
    ]);
    const toCursor = ({ id }: Image) => makeCursor("image", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    const data = entries.map((row) => showImage(row, urlSigner));
    return c.json({ data, next_cursor, ...(total !== undefined && { total }) }, 200);
  });

  app.openapi(operations.get, async (c) =>
    c.json(await show(c.var.accountId, c.req.valid("param").id), 200),
  );

  app.openapi(operations.update, async (c) => {
    const { id } = c.req.valid("param");
    const { accountId } = c.var;
    await updateImage(db, accountId, { id, change: c.req.valid("json") }).catch(
      (error: unknown) => {
        throw isUnknownAlbum(error) ? refuseAlbum() : error;
      },
    );
    return c.json(await show(accountId, id), 200);
  });

  app.openapi(operations.remove, async (c) => {
    const { accountId, requestId } = c.var;
    const keys = await deleteImage(db, accountId, c.req.valid("param").id);
    entitlements.drop(accountId);
    await removeFiles(deps, keys, requestId);
    return c.body(null, 204);
  });

  return app;
};

const isUnknownAlbum = (error: unknown) =>
  error instanceof DomainError && error.detail.extra?.what === "album";
