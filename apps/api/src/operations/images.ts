import { CreateImage, Image, ImagePage, ImageQuery, UpdateImage } from "@ducat/types/images";
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
  operationId: "createImage",
  tags,
  summary: "Keep a picture in the gallery",
  description:
    "An upload, or what an item of a generation has made. It takes one of the places that the " +
    "plan has for `gallery_images`. One that is kept already is answered as it is, with 200: " +
    "sending it again is safe.",
  parameters: [ducatAccount],
  request: jsonBody(CreateImage),
  middleware: [readJson] as const,
  responses: {
    200: answer(Image, "It was kept already."),
    201: answer(Image, "It is kept."),
    ...problems(...forAccount, ...withBody, "quota_exceeded", "invalid_state"),
  },
});

export const list = createRoute({
  method: "get",
  path: "/",
  operationId: "listImages",
  tags,
  summary: "The gallery, newest first",
  parameters: [ducatAccount],
  request: { query: ImageQuery },
  responses: {
    200: answer(ImagePage, "A page of it."),
    ...problems(...forAccount, "validation_failed"),
  },
});

export const get = createRoute({
  method: "get",
  path: "/{id}",
  operationId: "getImage",
  tags,
  summary: "An image of the gallery",
  parameters: [ducatAccount],
  request: { params },
  responses: { 200: answer(Image, "As it is now."), ...problems(...forAccount) },
});

export const update = createRoute({
  method: "patch",
  path: "/{id}",
  operationId: "updateImage",
  tags,
  summary: "Change what is said of an image",
  description: "null takes a value away. Tags and metadata are written whole.",
  parameters: [ducatAccount],
  request: { params, ...jsonBody(UpdateImage) },
  middleware: [readJson] as const,
  responses: {
    200: answer(Image, "As it is then."),
    ...problems(...forAccount, ...withBody, "invalid_state"),
  },
});

export const remove = createRoute({
  method: "delete",
  path: "/{id}",
  operationId: "deleteImage",
  tags,
  summary: "Take an image out of the gallery",
  description:
    "Its place is free then. The picture goes, unless its generation still has it; URLs that " +
    "were told before open nothing any more.",
  parameters: [ducatAccount],
  request: { params },
  responses: {
    204: { description: "It is gone." },
    ...problems(...forAccount, "invalid_state"),
  },
});
