import { z } from "zod";
import { ProviderName } from "./checkout.ts";
import { csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Id, Moment, Time } from "./text.ts";

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

const EventType = z.string().regex(/^[a-z][\w:.-]{0,99}$/);

const selection = {
  provider: ProviderName.optional(),
  type: EventType.optional(),
  from: Moment.optional().meta({ description: "When it came, this moment included." }),
  to: Moment.optional().meta({ description: "… excluded." }),
  limit: z.int().min(1).max(1_000).default(100).meta({ description: "The oldest are first." }),
  dry_run: z.boolean().default(false),
};
const example = { status: "dead", provider: "sandbox", limit: 100, dry_run: false };

export const ReplayEvents = z
  .strictObject({ status: Status, ...selection })
  .meta({ id: "ReplayEvents", examples: [example] });

export const DiscardEvents = z
  .strictObject({ status: z.enum(["received", "dead"]), ...selection })
  .meta({ id: "DiscardEvents", examples: [example] });

/** Which events it was done to, or would be. */
export const SelectedEvents = z
  .strictObject({ dry_run: z.boolean(), count: z.int().min(0), ids: z.array(Id) })
  .meta({ id: "SelectedEvents" });

export const WebhookEventQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  status: Status.optional(),
  type: z
    .string()
    .regex(/^[a-z][\w:.-]{0,99}$/)
    .optional(),
  provider: ProviderName.optional(),
  ...spanQuery,
  ...csvQuery,
});
export type WebhookEventQuery = z.infer<typeof WebhookEventQuery>;
