import { z } from "zod";
import { csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Id, Reference, Time, text } from "./text.ts";

const Status = z.enum(["pending", "processing", "completed", "failed", "canceled"]);

/** A generation as administrators see it: without what people wrote or got. */
export const AdminGeneration = z
  .strictObject({
    id: Id,
    account_id: Id,
    style: z.strictObject({ id: z.string(), version: z.int() }),
    kind: z.enum(["image", "text"]),
    status: Status,
    items: z.int(),
    failed_items: z.int(),
    canceled_items: z.int(),
    error_codes: z
      .array(z.string())
      .meta({ description: "Why items failed, each reason once; ten at most." }),
    cost: z.int(),
    captured: z.int().meta({ description: "What of its cost has been spent." }),
    refunded: z.int(),
    subject: z.string().nullable(),
    reference: z.string().nullable(),
    retry_of: Id.nullable(),
    created_at: Time,
    deadline_at: Time,
    completed_at: Time.nullable(),
    deleted_at: Time.nullable(),
  })
  .meta({ id: "AdminGeneration" });
export type AdminGeneration = z.infer<typeof AdminGeneration>;

export const AdminGenerationPage = page(AdminGeneration);

export const AdminGenerationQuery = z.strictObject({
  account: Reference.optional().meta({ description: "An account's id or external id." }),
  status: Status.optional(),
  style: text(100).optional(),
  error_code: text(100).optional().meta({ description: "An item has failed with it." }),
  ...spanQuery,
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  ...csvQuery,
});
