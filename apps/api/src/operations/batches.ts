import {
  Batch,
  CreateBatch,
  ItemPage,
  ItemQuery,
  ResultsQuery,
  RowErrorPage,
  RowErrorQuery,
} from "@ducat/types/batches";
import { Id } from "@ducat/types/text";
import { createRoute, z } from "@hono/zod-openapi";
import {
  answer,
  answerWithCsv,
  ducatAccount,
  forAccount,
  idempotencyKey,
  problems,
  withBody,
} from "../describe-route.ts";

const params = z.object({ id: Id });
const tags = ["Generations"];

/** In the query of a CSV, and the fields of a form: the members of the JSON body but `rows`. */
const file = { type: "string", format: "binary" } as const;

export const createBatch = createRoute({
  method: "post",
  path: "/batch",
  operationId: "createBatch",
  tags,
  summary: "Ask for a generation of many rows",
  description:
    "An item a row, each checked, priced and paid back on its own; a bad row costs nothing. As " +
    "JSON, or as a CSV of 16 MiB at most: by itself, with the other members of the JSON body in " +
    "the query (`input`, `params`, `metadata` and `mapping` as JSON), or in a form, with a " +
    "field for each. `mapping` says what columns are: `{header: member}`, a member being " +
    "label, prompt, photo_url, photo_id, address or params.name; known headers need none. " +
    "The same key again is the same batch.",
  parameters: [ducatAccount, idempotencyKey],
  request: {
    body: {
      required: true as const,
      // References on purpose: a validator would read bodies without a limit, and refuse them
      // whole for one bad row.
      content: {
        "application/json": { schema: { $ref: "#/components/schemas/CreateBatch" } },
        "text/csv": { schema: { type: "string" as const } },
        "multipart/form-data": {
          schema: {
            type: "object" as const,
            required: ["file", "style"],
            properties: { file, style: { type: "string" as const } },
          },
        },
      },
    },
  },
  responses: {
    201: answer(Batch, "Accepted; the state of that moment."),
    ...problems(
      ...forAccount,
      ...withBody,
      "idempotency_key_required",
      "idempotency_conflict",
      "insufficient_credits",
      "quota_exceeded",
      "account_frozen",
    ),
  },
});
/** What the body of createBatch refers to. */
export const createBatchBody = CreateBatch;

export const listItems = createRoute({
  method: "get",
  path: "/{id}/items",
  operationId: "listGenerationItems",
  tags,
  summary: "The items of a generation, in their order",
  parameters: [ducatAccount],
  request: { params, query: ItemQuery },
  responses: {
    200: answer(ItemPage, "A page of them."),
    ...problems(...forAccount, "validation_failed"),
  },
});

const Results = ItemPage.pick({ data: true }).meta({ id: "Results" });

export const results = createRoute({
  method: "get",
  path: "/{id}/results",
  operationId: "getGenerationResults",
  tags,
  summary: "The results of a generation as one file",
  description:
    "What there is by now. A ZIP has a file for each result and manifest.csv; it holds nearly " +
    "4 GiB: take more in parts, by `from` and `to`.",
  parameters: [ducatAccount],
  request: { params, query: ResultsQuery },
  responses: {
    200: {
      description: "The file, streamed.",
      content: {
        "text/csv": { schema: { type: "string" as const } },
        "application/json": { schema: Results },
        "application/zip": { schema: file },
      },
    },
    ...problems(...forAccount, "validation_failed"),
  },
});

export const listErrors = createRoute({
  method: "get",
  path: "/{id}/errors",
  operationId: "listGenerationErrors",
  tags,
  summary: "The rows of a batch that were not accepted",
  parameters: [ducatAccount],
  request: { params, query: RowErrorQuery },
  responses: {
    200: answerWithCsv(RowErrorPage, "A page of them."),
    ...problems(...forAccount, "validation_failed"),
  },
});
