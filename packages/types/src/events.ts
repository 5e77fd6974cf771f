import { z } from "zod";
import { PaymentPurpose, Texts } from "./payments.ts";
import { SubscriptionStatus } from "./subscriptions.ts";
import { Id, Time } from "./text.ts";

const Credits = z.int();
/** Of money: minor units of the currency beside it. */
const Minor = z.int().min(0);
const Currency = z.string().meta({ examples: ["USD"] });
/** In what an event tells moments have the database's precision. */
const Moment = z.iso
  .datetime({ offset: true })
  .meta({ examples: ["2026-11-20T09:30:00.123456+00:00"] });

const generation = (status: "completed" | "failed" | "canceled") => ({
  generation_id: Id,
  status: z.literal(status),
  cost: Credits,
  refunded: Credits,
  failed_items: z.int().min(0),
  canceled_items: z.int().min(0),
});

const ItemError = z.strictObject({ code: z.string(), message: z.string() });
const item = (status: "completed" | "failed" | "canceled") => ({
  generation_id: Id,
  item_id: Id,
  position: z.int().min(0),
  label: z.string().nullable(),
  status: z.literal(status),
  cost: Credits,
  refunded: Credits,
  // Without it nothing was wrong, or it was deleted since.
  error: ItemError.optional(),
});

const quota = {
  quota: z.string().meta({ description: "The feature's key." }),
  name: Texts.nullable(),
  used: z.int(),
  limit: z.int(),
  resets_at: Moment.nullable(),
};

const payment = { payment_id: Id, purpose: PaymentPurpose, currency: Currency };

/** What each type of event tells, by its name. A type and a member may be added at any time. */
const eventData = {
  "generation.completed": generation("completed"),
  "generation.failed": generation("failed"),
  "generation.canceled": generation("canceled"),
  "item.completed": item("completed"),
  "item.failed": item("failed"),
  "item.canceled": item("canceled"),
  "credits.granted": {
    amount: Credits,
    source: z.string(),
    grant_id: Id,
    transaction_id: z.string(),
  },
  "credits.low": { available: Credits, threshold: Credits },
  "credits.expiring": { amount: Credits, expires_at: Moment },
  "credits.refunded": {
    amount: Credits,
    generation_id: Id.optional(),
    item_id: Id.optional(),
    hold_id: Id.optional(),
    cause: z.string().optional(),
    transaction_id: z.string(),
  },
  "credits.expired": { amount: Credits, grant_id: Id, source: z.string() },
  "quota.warning": quota,
  "quota.reached": quota,
  "payment.succeeded": { ...payment, amount: Minor, credits: Credits },
  "payment.failed": { ...payment, amount: Minor, code: z.string().nullable() },
  "payment.reversed": {
    ...payment,
    reversed: Minor.meta({ description: "All that is gone of the payment by now." }),
    charged: Minor,
    credits: Credits.meta({ description: "All that was taken back of its credits by now." }),
  },
  "subscription.changed": {
    subscription_id: Id,
    status: SubscriptionStatus,
    product: z.string().nullable(),
    period_start: Moment.nullable(),
    period_end: Moment.nullable(),
    cancel_at: Moment.nullable(),
  },
  "auto_reload.succeeded": {
    payment_id: Id,
    amount: Minor,
    currency: Currency,
    credits: Credits.nullable(),
  },
  "auto_reload.needs_customer": { payment_id: Id, reference: z.string(), code: z.string() },
  "auto_reload.disabled": { reason: z.string() },
  "webhook_endpoint.disabled": {
    endpoint_id: Id,
    url: z.string(),
    reason: z.string().meta({ description: "`gone`: it answered 410. `failing`: for days." }),
    failing_since: Moment.nullable(),
  },
  "webhook.test": { endpoint_id: Id },
} as const satisfies Record<string, z.core.$ZodLooseShape>;

export type EventType = keyof typeof eventData;
export const eventTypes = Object.keys(eventData) as EventType[];
export const EventType = z.enum(eventTypes as [EventType, ...EventType[]]).meta({
  id: "EventType",
});

const one = <T extends EventType>(type: T) =>
  z
    .strictObject({
      id: Id,
      type: z.literal(type),
      created_at: Time,
      account_id: z.uuid(),
      data: z.strictObject(eventData[type]),
    })
    .meta({ id: `${nameOf(type)}Event` });

/** `auto_reload.needs_customer` is AutoReloadNeedsCustomer. */
const nameOf = (type: string) =>
  type.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** What happened, as streams, lists and webhooks tell it: its `type` says what `data` has. */
export const Event = z
  .discriminatedUnion("type", [
    one("generation.completed"),
    one("generation.failed"),
    one("generation.canceled"),
    one("item.completed"),
    one("item.failed"),
    one("item.canceled"),
    one("credits.granted"),
    one("credits.low"),
    one("credits.expiring"),
    one("credits.refunded"),
    one("credits.expired"),
    one("quota.warning"),
    one("quota.reached"),
    one("payment.succeeded"),
    one("payment.failed"),
    one("payment.reversed"),
    one("subscription.changed"),
    one("auto_reload.succeeded"),
    one("auto_reload.needs_customer"),
    one("auto_reload.disabled"),
    one("webhook_endpoint.disabled"),
    one("webhook.test"),
  ])
  .meta({ id: "Event" });
export type Event = z.infer<typeof Event>;
