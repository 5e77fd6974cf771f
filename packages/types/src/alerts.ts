import { z } from "zod";

const settings = {
  low_balance: z.int().min(1).max(1_000_000_000_000).nullable().meta({
    description: "Told when fewer credits than this are left; null: never.",
  }),
  quota: z.boolean().meta({ description: "Told when a quota is at 80 and at 100 %." }),
  expiring: z.boolean().meta({ description: "Told three days before credits expire." }),
  messages: z.boolean().meta({
    description: "Whether the account hears of it by mail or text message, beside the event.",
  }),
};

export const Alerts = z.strictObject(settings).meta({ id: "Alerts" });
export type Alerts = z.infer<typeof Alerts>;

/** All of them: what is left out would be somebody's guess. */
export const SetAlerts = z.strictObject(settings).meta({
  id: "SetAlerts",
  examples: [{ low_balance: 10, quota: true, expiring: true, messages: true }],
});
