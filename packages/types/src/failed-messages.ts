import { z } from "zod";
import { page, pageQuery } from "./pagination.ts";
import { Id, Reference, Time } from "./text.ts";

const Channel = z.enum(["email", "sms"]);

/** A message that could not be sent; whom it was for and what it said is not shown. */
export const FailedMessage = z
  .strictObject({
    id: Id,
    account_id: Id,
    kind: z.string(),
    channel: Channel,
    status: z.enum(["pending", "sent", "skipped", "failed"]),
    attempts: z.int().min(0),
    last_error: z.string().nullable(),
    can_retry: z.boolean().meta({
      description: "False: what it said is gone, as of codes and links. Ask for another one.",
    }),
    created_at: Time,
  })
  .meta({ id: "FailedMessage" });
export type FailedMessage = z.infer<typeof FailedMessage>;

export const FailedMessagePage = page(FailedMessage);

export const FailedMessageQuery = z.strictObject({
  account: Reference.optional().meta({ description: "Its id or external id." }),
  kind: z
    .string()
    .regex(/^[a-z][a-z_]{0,63}$/)
    .optional(),
  channel: Channel.optional(),
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
});
