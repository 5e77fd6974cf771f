import { z } from "zod";
import { Reference, Time } from "./text.ts";

export const AdvanceClock = z
  .strictObject({
    account: Reference.meta({ description: "The account's id or external id." }),
    seconds: z.int().min(0).max(315_360_000).meta({
      description: "How far ahead; ten years at most. 0 does what is due now.",
    }),
  })
  .meta({
    id: "AdvanceClock",
    examples: [{ account: "ada", seconds: 2_678_400 }],
  });

/** What may fall due of an account by its own time, in the words of docs/test-clock.md. */
export const DueKind = z.enum([
  "alert.expiring",
  "allowance.expiry",
  "default_plan.month",
  "grant.expiry",
  "hold.expiry",
  "override.end",
  "pass.end",
  "pass.reminder",
  "plan.month",
  "subscription.grace_end",
  "subscription.period_end",
  "subscription.provider",
  "subscription.renewal",
  "trial.end",
]);

export const AdvancedClock = z
  .object({
    account_id: z.uuid(),
    now: Time.meta({ description: "The account's time." }),
    ran: z
      .array(
        z.object({
          at: Time.meta({ description: "When it fell due, by the account's time." }),
          what: DueKind,
          id: z.string().nullable(),
        }),
      )
      .meta({ description: "What fell due on the way, in order." }),
  })
  .meta({ id: "AdvancedClock" });
export type AdvancedClock = z.infer<typeof AdvancedClock>;
