import { Upload } from "@ducat/types/uploads";
import { createRoute } from "@hono/zod-openapi";
import { answer, ducatAccount, forAccount, problems, withBody } from "../describe-route.ts";

export const create = createRoute({
  method: "post",
  path: "/",
  operationId: "createUpload",
  tags: ["Uploads"],
  summary: "Upload a photo to start from",
  description:
    "JPEG, PNG or WebP, at most 15 MiB and 50 megapixels. It is decoded, turned upright, made " +
    "smaller than 2048 pixels a side and stored without its metadata, for 24 hours.",
  parameters: [ducatAccount],
  request: {
    body: {
      required: true,
      content: {
        // Not a Zod schema on purpose: its validator would read the body without a limit.
        "multipart/form-data": {
          schema: {
            type: "object",
            required: ["file"],
            properties: { file: { type: "string", format: "binary" } },
          },
        },
      },
    },
  },
  responses: {
    201: answer(Upload, "Name its id as `photo_id` of a generation."),
    ...problems(...forAccount, ...withBody),
  },
});
