import { z } from "zod";
import { EventType } from "./events.ts";
import { csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Id, Moment, Reference, Time, text, WebUrl } from "./text.ts";

/** What an endpoint may ask for: all but tests, which are sent to the one that is tested. */
const WantedType = z.enum(EventType.exclude(["webhook.test"]).options);
export const webhookEventTypes = WantedType.options;

const EndpointUrl = WebUrl.meta({
  description: "A public https address on port 443. Events are sent to it by POST.",
  examples: ["https://shop.example/hooks/ducat"],
});
const Description = text(500).nullable();
const EventTypes = z
  .array(WantedType)
  .min(1)
  .max(webhookEventTypes.length)
  .refine((types) => new Set(types).size === types.length, "Name each type once.")
  .nullable()
  .meta({ description: "Which types of events; null: all but `item.*`." });

export const CreateWebhookEndpoint = z
  .strictObject({
    url: EndpointUrl,
    description: Description.default(null),
    events: EventTypes.default(null),
  })
  .meta({
    id: "CreateWebhookEndpoint",
    examples: [
      {
        url: "https://shop.example/hooks/ducat",
        events: ["generation.completed", "generation.failed"],
      },
    ],
  });

export const UpdateWebhookEndpoint = z
  .strictObject({
    url: EndpointUrl.optional(),
    description: Description.optional(),
    events: EventTypes.optional(),
    status: z
      .enum(["enabled", "disabled"])
      .optional()
      .meta({
        description:
          "Disabling gives up what waits; enabling forgets the failures. What was missed is sent " +
          "by a replay.",
      }),
  })
  .refine((change) => Object.keys(change).length > 0, "Name at least one thing to change.")
  .meta({ id: "UpdateWebhookEndpoint", examples: [{ status: "enabled" }] });

export const WebhookEndpoint = z
  .strictObject({
    id: Id,
    url: z.string(),
    description: z.string().nullable(),
    events: z.array(z.string()).nullable().meta({ description: "null: all but `item.*`." }),
    status: z.enum(["enabled", "disabled"]),
    disabled_reason: z.enum(["manual", "gone", "failing"]).nullable().meta({
      description: "`gone`: it answered 410. `failing`: nothing could be delivered for five days.",
    }),
    disabled_at: Time.nullable(),
    failing_since: Time.nullable().meta({ description: "null: the last delivery arrived." }),
    failures: z.int().min(0).meta({ description: "Tries in a row that failed." }),
    retry_at: Time.nullable().meta({ description: "It asked for a pause until then." }),
    last_success_at: Time.nullable(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: "WebhookEndpoint" });
export type WebhookEndpoint = z.infer<typeof WebhookEndpoint>;

const Secret = z.string().meta({
  description: "`whsec_` and base64: a secret of Standard Webhooks.",
  examples: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
});

export const NewWebhookEndpoint = WebhookEndpoint.extend({ secret: Secret }).meta({
  id: "NewWebhookEndpoint",
});

export const WebhookEndpoints = z
  .strictObject({ data: z.array(WebhookEndpoint) })
  .meta({ id: "WebhookEndpoints" });

/** What signs. After a rotation the former one signs too, until it expires. */
export const WebhookSecret = z
  .strictObject({
    secret: Secret,
    former: z
      .array(z.strictObject({ secret: Secret, expires_at: Time }))
      .meta({ description: "Those that sign beside it, the newest first." }),
  })
  .meta({ id: "WebhookSecret" });
export type WebhookSecret = z.infer<typeof WebhookSecret>;

export const RotateWebhookSecret = z
  .strictObject({
    overlap_s: z.int().min(0).max(604_800).default(86_400).meta({
      description: "For how long the former secret signs beside the new one, in seconds.",
    }),
  })
  .meta({ id: "RotateWebhookSecret", examples: [{ overlap_s: 3600 }] });

const DeliveryStatus = z.enum(["pending", "sending", "delivered", "failed"]).meta({
  description: "`pending`: waits for its (next) try. `failed`: is not tried any more.",
});

const Try = z.strictObject({
  at: Time,
  status: z.int().nullable().meta({ description: "The HTTP status; null: none came." }),
  ms: z.int().min(0).meta({ description: "How long it took." }),
  error: z.string().nullable(),
});

const delivery = {
  id: Id,
  endpoint_id: Id,
  event_id: Id.meta({ description: "The event's id, sent as `webhook-id` with each try." }),
  event_type: z.string(),
  account_id: Id.meta({ description: "Whose event it is." }),
  url: z.string(),
  status: DeliveryStatus,
  attempts: z.int().min(0).meta({ description: "Tries since it was planned or replayed." }),
  next_try_at: Time.nullable(),
  tries: z.array(Try).max(20).meta({ description: "The last twenty, the oldest first." }),
  created_at: Time,
  ended_at: Time.nullable(),
};

/** An event on its way to an endpoint. */
export const WebhookDelivery = z.strictObject(delivery).meta({ id: "WebhookDelivery" });
export type WebhookDelivery = z.infer<typeof WebhookDelivery>;

/** … with what is sent. */
export const WebhookDeliveryDetail = z
  .strictObject({
    ...delivery,
    event: z
      .strictObject({
        id: Id,
        type: z.string(),
        created_at: Time,
        account_id: Id,
        data: z.record(z.string(), z.unknown()),
      })
      .nullable()
      .meta({ description: "The body as it is sent; null: it is no longer kept." }),
  })
  .meta({ id: "WebhookDeliveryDetail" });
export type WebhookDeliveryDetail = z.infer<typeof WebhookDeliveryDetail>;

export const WebhookDeliveryPage = page(WebhookDelivery);

const EventName = z.string().regex(/^[a-z][a-z_]{0,49}\.[a-z_]{1,49}$/);

export const WebhookDeliveryQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  status: DeliveryStatus.optional(),
  type: EventName.optional().meta({ description: "Of the event." }),
  ...spanQuery,
});
export type WebhookDeliveryQuery = z.infer<typeof WebhookDeliveryQuery>;

export const ReplayDeliveries = z
  .strictObject({
    what: z
      .enum(["failed", "delivered", "missed"])
      .default("failed")
      .meta({
        description:
          "`missed`: events that were never meant for it, because it was disabled or not there " +
          "yet; the deployment's own endpoints have none.",
      }),
    type: WantedType.optional(),
    from: Moment.optional().meta({ description: "When it happened, this moment included." }),
    to: Moment.optional().meta({ description: "… excluded." }),
    after: Id.optional().meta({ description: "An event to go on after: the last of `ids`." }),
    limit: z.int().min(1).max(1_000).default(100).meta({ description: "The oldest are first." }),
    dry_run: z.boolean().default(false),
  })
  .meta({
    id: "ReplayDeliveries",
    examples: [{ what: "failed", from: "2026-11-20T00:00:00Z", limit: 100, dry_run: false }],
  });

/** Which events are sent again, or would be. */
export const ReplayedDeliveries = z
  .strictObject({
    dry_run: z.boolean(),
    count: z.int().min(0),
    ids: z.array(Id).meta({ description: "Of the events, the oldest first." }),
  })
  .meta({ id: "ReplayedDeliveries" });

/** A delivery of anybody's, for administrators. */
export const AdminDelivery = z
  .strictObject({
    ...delivery,
    owner_id: Id.nullable().meta({
      description: "The account whose endpoint it is; null: the deployment's own.",
    }),
    kind: z.enum(["endpoint", "origin"]).meta({
      description: "`origin`: it goes to the webhook_url of a generation.",
    }),
  })
  .meta({ id: "AdminDelivery" });
export type AdminDelivery = z.infer<typeof AdminDelivery>;

export const AdminDeliveryPage = page(AdminDelivery);

export const AdminDeliveryQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  status: DeliveryStatus.optional(),
  type: EventName.optional().meta({ description: "Of the event." }),
  endpoint: Id.optional(),
  account: Reference.optional().meta({
    description: "Whose events: an account's id or external id.",
  }),
  ...spanQuery,
  ...csvQuery,
});
export type AdminDeliveryQuery = z.infer<typeof AdminDeliveryQuery>;
