import { z } from "zod";
import { findExponent, mostMoney } from "./money.ts";
import { providerNames } from "./provider.ts";

const mostCredits = 1_000_000_000_000;
const Credits = z.int().min(0).max(mostCredits);

/** The name of a product, feature or catalog; part of addresses and of keys at providers. */
export const Key = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_]{0,49}$/, "1 to 50 of a-z, 0-9 and _, as in monthly_pro");

/** A text in each language of the deployment; English is what every other falls back to. */
export const texts = (most: number) =>
  z
    .record(z.string().regex(/^[a-z]{2,3}$/, "a language as in en"), z.string().min(1).max(most))
    .refine((text) => text.en !== undefined, "has no text in English (en)");

const Ref = z.string().min(1).max(255);

const Price = z.strictObject({
  currency: z
    .string()
    .refine((code) => findExponent(code) !== undefined, "is no currency that can be counted here"),
  interval: z.enum(["once", "month", "year"]),
  /** In the currency's smallest unit. Only the default plan costs nothing, and has no price. */
  amount: z.int().min(1).max(mostMoney),
  /** Left out: any provider that takes the currency. */
  provider: z.enum(providerNames).optional(),
  /** The provider's own price or variant, where the modes differ one for each. */
  ref: z.union([Ref, z.strictObject({ test: Ref.optional(), live: Ref.optional() })]).optional(),
  note: z.string().optional(),
});

const every = {
  key: Key,
  name: texts(100),
  description: texts(500),
  /** Who may buy it; left out: users and vendors. */
  audience: z.enum(["user", "vendor"]).optional(),
  credits: Credits.default(0),
  /** Of a stock that is spent: so many with each purchase or each month. */
  allowances: z.record(Key, z.int().min(1).max(1_000_000_000)).default({}),
  prices: z.array(Price).max(50).default([]),
  note: z.string().optional(),
};

/** true or false for a flag; a number, or null for no end, for a limit or a stock's places. */
const features = z
  .record(Key, z.union([z.boolean(), z.int().min(0).max(1e12), z.null()]))
  .default({});

export const Product = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("plan"),
    ...every,
    features,
    /** The plan of those who pay for none. */
    is_default: z.boolean().default(false),
    trial_days: z.int().min(0).max(730).default(0),
    trial_credits: Credits.default(0),
    rollover: z.enum(["none", "capped", "full"]).default("none"),
    rollover_cap: Credits.optional(),
    grace_days: z.int().min(0).max(90).default(7),
    rate_limits: z
      .partialRecord(z.enum(["minute", "hour", "day"]), z.int().min(1).max(1e9))
      .default({}),
    limits: z
      .strictObject({
        /** Items that are worked on at the same time. */
        running: z.int().min(1).max(10_000).optional(),
        /** Items that have not ended yet. */
        open_items: z.int().min(1).max(1_000_000).optional(),
        /** Credits that generations may set aside in a day (UTC). */
        daily_credits: z.int().min(1).max(mostCredits).optional(),
        /** Results are kept for so long; left out: for ever. */
        retention_days: z.int().min(1).max(3650).optional(),
      })
      .default({}),
  }),
  z.strictObject({
    kind: z.literal("pack"),
    ...every,
    bonus: Credits.default(0),
    valid_days: z.int().min(1).max(3650).optional(),
  }),
  z.strictObject({
    kind: z.literal("pass"),
    ...every,
    features,
    valid_days: z.int().min(1).max(3650),
    /** It is for one thing that the buyer names, and its credits are spent on that only. */
    needs_subject: z.boolean().default(false),
  }),
]);
export type Product = z.infer<typeof Product>;
