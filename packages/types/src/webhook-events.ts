import { z } from "zod";
import { ProviderName } from "./checkout.ts";
import { page, pageQuery } from "./pagination.ts";
import { Id, Time } from "./text.ts";

const Status = z.enum(["received", "processed", "ignored", "dead"]).meta({
  description:
    "`received`: waits for a worker. `dead`: could not be processed and is not tried any more.",
});

/** A webhook that a payment provider sent, without its body. */
export const WebhookEvent = z
  .strictObject({
    id: Id,
    provider: z.string(),
    mode: z.enum(["test", "live"]),
    delivery_id: z.string().meta({ description: "The provider's id of the event or delivery." }),
    event_type: z.string(),
    occurred_at: Time,
    status: Status,
    retry_count: z.int().min(0).meta({ description: "How often a worker has tried." }),
    last_error: z.string().nullable(),
    next_try_at: Time.nullable(),
    processed_at: Time.nullable(),
    retried_at: Time.nullable().meta({ description: "When it was last replayed by hand." }),
    resolved_at: Time.nullable().meta({ description: "When it was given up by hand." }),
    resolved_by: z.string().nullable(),
    has_body: z.boolean().meta({ description: "Whether its body is still kept." }),
    created_at: Time,
  })
  .meta({ id: "WebhookEvent" });
export type WebhookEvent = z.infer<typeof WebhookEvent>;

export const WebhookEventPage = page(WebhookEvent);

export const WebhookEventQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  status: Status.optional(),
  type: z
    .string()
    .regex(/^[a-z][\w:.-]{0,99}$/)
    .optional(),
  provider: ProviderName.optional(),
});
export type WebhookEventQuery = z.infer<typeof WebhookEventQuery>;
