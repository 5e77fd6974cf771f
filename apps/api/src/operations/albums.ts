import { Album, AlbumPage, AlbumQuery, CreateAlbum, UpdateAlbum } from "@ducat/types/albums";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const params = z.object({ id: Id });
const tags = ["Gallery"];

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "createAlbum",
  tags,
  summary: "Make an album",
  description: "At most 1,000. Images go in with their `album_id`.",
  parameters: [ducatAccount],
  request: jsonBody(CreateAlbum),
  middleware: [readJson] as const,
  responses: {
    201: answer(Album, "It is empty."),
    ...problems(...forAccount, ...withBody, "already_exists", "invalid_state"),
  },
});

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listAlbums",
  tags,
  summary: "Albums, newest first",
  parameters: [ducatAccount],
  request: { query: AlbumQuery },
  responses: {
    200: answer(AlbumPage, "A page of them."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "getAlbum",
  tags,
  summary: "An album",
  description: "Its images are listed by `GET /v1/images?album_id=`.",
  parameters: [ducatAccount],
  request: { params },
  responses: { 200: answer(Album, "As it is now."), ...problems(...forAccount) },
});

export const update = createRoute({
  method: "patch",
  path: "/{id}",
  operationId: "updateAlbum",
  tags,
  summary: "Change an album",
  parameters: [ducatAccount],
  request: { params, ...jsonBody(UpdateAlbum) },
  middleware: [readJson] as const,
  responses: {
    200: answer(Album, "As it is then."),
    ...problems(...forAccount, ...withBody, "already_exists", "invalid_state"),
  },
});

export const remove = createRoute({
  method: "delete",
  path: "/{id}",
  operationId: "deleteAlbum",
  tags,
  summary: "Delete an album",
  description: "Its images stay in the gallery, in no album.",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    204: { description: "It is gone." },
    ...problems(...forAccount, "invalid_state"),
  },
});
