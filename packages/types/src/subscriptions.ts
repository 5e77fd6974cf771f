import { z } from "zod";
import { ProviderName } from "./checkout.ts";
import { orNull } from "./or-null.ts";
import { Money, Texts } from "./payments.ts";
import { Id, Time } from "./text.ts";

export const SubscriptionStatus = z
  .enum(["incomplete", "trialing", "active", "past_due", "unpaid", "paused", "canceled"])
  .meta({ description: "`past_due` keeps its access for the plan's days of grace." });

const plan = { key: z.string(), name: Texts };

export const Subscription = z
  .strictObject({
    id: Id,
    status: SubscriptionStatus,
    plan: z.strictObject(plan),
    price: orNull(Money),
    interval: z.enum(["month", "year"]),
    provider: z
      .enum([...ProviderName.options, "manual"])
      .meta({ description: "`manual`: an administrator gave it, and nobody pays for it." }),
    period: z.strictObject({ start: Time, end: Time }).nullable(),
    trial_ends_at: Time.nullable(),
    cancel_at: Time.nullable().meta({ description: "When it ends although it runs." }),
    next_plan: z
      .strictObject(plan)
      .nullable()
      .meta({ description: "A smaller plan that begins with the next period." }),
    access_until: Time.nullable().meta({ description: "While it is past due: the end of grace." }),
    ended_at: Time.nullable(),
    can: z
      .strictObject({
        change: z.boolean(),
        cancel_now: z.boolean(),
        manage: z.boolean().meta({ description: "There is a portal for it." }),
      })
      .meta({ description: "What its provider offers." }),
    created_at: Time,
  })
  .meta({ id: "Subscription" });
export type Subscription = z.infer<typeof Subscription>;

export const CancelSubscription = z
  .strictObject({
    when: z
      .enum(["period_end", "now"])
      .default("period_end")
      .meta({ description: "`now` where the provider can." }),
  })
  .meta({ id: "CancelSubscription", examples: [{ when: "period_end" }] });
