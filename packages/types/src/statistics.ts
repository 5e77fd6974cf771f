import { z } from "zod";
import { Money } from "./payments.ts";
import { Time } from "./text.ts";
import { Day } from "./usage-summaries.ts";

export const StatisticsQuery = z.strictObject({
  from: Day.optional().meta({ description: "The first day, UTC; 29 days before `to`." }),
  to: Day.optional().meta({ description: "The last day, UTC; today." }),
});

const count = z.int().min(0);
const amount = z.int();
const seconds = z.number().min(0);
const rate = z.number().min(0).nullable();

const Accounts = z.strictObject({
  total: count.meta({ description: "At the end of the last day; erased ones don't count." }),
  new: count,
  erased: count,
});

const Revenue = z.strictObject({
  provider: z.string(),
  currency: z.string(),
  payments: count,
  gross: amount.meta({ description: "What was charged in these days, taxes included." }),
  refunded: amount.meta({ description: "Of these payments, by now." }),
  disputed: amount.meta({ description: "Lost disputes of these payments, by now." }),
  net: amount.meta({ description: "gross less what was refunded or lost, never below 0 each." }),
});

const granted = z.strictObject({
  trial: count,
  purchase: count,
  subscription: count,
  auto_reload: count,
  promo: count,
  adjustment: count,
});

const Live = z
  .strictObject({
    queue: z
      .strictObject({
        waiting: count,
        active: count,
        delayed: count,
        failed: count,
        oldest_seconds: seconds,
      })
      .nullable()
      .meta({ description: "Null when the queue did not answer." }),
    backlog: z.strictObject({ items: count, oldest_seconds: seconds }),
    cache: z
      .strictObject({ hits: count, misses: count, hit_rate: rate })
      .meta({ description: "What accounts may do, in the process that answered, since it began." }),
    webhooks: z.strictObject({ waiting: count, oldest_seconds: seconds }),
    dead_letters: z.strictObject({ webhook_events: count, messages: count }),
  })
  .meta({ description: "As it is now, whichever days were asked for." });

/** The numbers of the whole deployment; docs/statistics.md defines each. */
export const Statistics = z
  .strictObject({
    from: Day,
    to: Day,
    computed_at: Time.nullable().meta({ description: "How fresh it is: some minutes old." }),
    pending_days: count.meta({ description: "Days that are still to be summed up." }),
    accounts: z.strictObject({ users: Accounts, vendors: Accounts, active: count }),
    revenue: z.array(Revenue),
    mrr: z.array(Money).meta({ description: "By currency, at the end of the last day." }),
    subscriptions: z.strictObject({
      by_plan: z.array(
        z.strictObject({
          plan: z.string(),
          status: z.string(),
          is_manual: z.boolean(),
          count,
        }),
      ),
      unpriced: count.meta({ description: "Active ones of whose price nothing is known." }),
      churn: z.strictObject({ active_at_start: amount, started: count, ended: count, rate }),
    }),
    trials: z.strictObject({ granted: count, converted: count }),
    credits: z.strictObject({
      granted,
      spent: count.meta({ description: "Taken for generations, holds and by consume." }),
      paid_back: count,
      used: amount.meta({ description: "spent less paid_back." }),
      expired: count,
      clawed_back: amount.meta({ description: "Taken back, less what was given back again." }),
      adjusted_down: count,
      outstanding: amount.meta({
        description: "What all accounts had, at the end of the last day.",
      }),
      debt: amount.meta({ description: "What they owed." }),
      held: count.meta({ description: "What was set aside when it was last looked at." }),
    }),
    generations: z.strictObject({
      pending: count,
      processing: count,
      completed: count,
      failed: count,
      canceled: count,
    }),
    items: z.strictObject({
      completed: count,
      failed: count,
      canceled: count,
      failure_rate: rate,
      errors: z.array(z.strictObject({ code: z.string(), count, rate: z.number().min(0) })),
    }),
    live: Live,
  })
  .meta({ id: "Statistics" });
export type Statistics = z.infer<typeof Statistics>;
