import { SaveVendor, Vendor } from "@ducat/types/vendors";
import { createRoute } from "@hono/zod-openapi";
import { readJson } from "../body.ts";
import {
  answer,
  ducatAccount,
  forAccount,
  jsonBody,
  problems,
  withBody,
} from "../describe-route.ts";

const tags = ["Accounts"];

export const get = createRoute({
  method: "get",
  path: "/",
  operationId: "getVendor",
  tags,
  summary: "The vendor's profile",
  description: "For accounts of kind `vendor`; others are told `invalid_state`.",
  parameters: [ducatAccount],
  responses: {
    200: answer(Vendor, "As it is now."),
    ...problems(...forAccount, "invalid_state"),
  },
});

export const save = createRoute({
  method: "put",
  path: "/",
  operationId: "saveVendor",
  tags,
  summary: "Write the vendor's profile",
  description: "All of it. Another business name takes the verification back.",
  parameters: [ducatAccount],
  request: jsonBody(SaveVendor),
  middleware: [readJson] as const,
  responses: {
    200: answer(Vendor, "As it is then."),
    ...problems(...forAccount, ...withBody, "invalid_state"),
  },
});
