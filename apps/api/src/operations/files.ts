import { problems } from "../describe-route.ts";

const parameter = (name: string, place: "path" | "query", required: boolean) =>
  ({ name, in: place, required, schema: { type: "string" } }) as const;

/** Described by hand: OpenAPI has no path parameter with slashes in it. */
export const get = {
  method: "get",
  path: "/{key}",
  operationId: "getFile",
  tags: ["Files"],
  summary: "A file by its signed URL",
  description: "The URLs that generations tell. `key` has slashes; no other key is needed.",
  security: [],
  parameters: [
    parameter("key", "path", true),
    parameter("expires", "query", true),
    parameter("disposition", "query", true),
    parameter("filename", "query", false),
    parameter("signature", "query", true),
  ],
  responses: {
    302: { description: "To the store that has the file; the link works for some minutes." },
    200: { description: "The file.", content: { "image/*": { schema: { type: "string" } } } },
    ...problems("not_found"),
  },
};
