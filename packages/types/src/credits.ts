import { z } from "zod";
import { Currency, namesOne, oneOf, ProductKey, ProviderName } from "./checkout.ts";
import { orNull } from "./or-null.ts";
import { amountQuery, csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Money, Texts } from "./payments.ts";
import { Id, Time, text } from "./text.ts";

const most = 1_000_000_000_000;
/** Whole credits; the largest single amount is 10^12. */
const Amount = z.int().min(1).max(most);
const Credits = z.int();
const subject = text(255)
  .optional()
  .meta({ description: "Credits bound to this subject are spent first." });

export const creditTypes = ["trial", "token", "mixed", "none"] as const;
export const CreditType = z.enum(creditTypes);
export type CreditType = z.infer<typeof CreditType>;

/** What was paid, by kind of credit: free ones and all others. */
export const Charged = z.strictObject({ trial: Credits, token: Credits }).meta({ id: "Charged" });
export type Charged = z.infer<typeof Charged>;

export const Balance = z
  .strictObject({
    available: Credits.meta({ description: "Unexpired and bound to nothing." }),
    trial_credits: Credits.meta({ description: "The free part of `available`." }),
    token_balance: Credits.meta({ description: "The rest of `available`." }),
    bound: z.array(
      z.strictObject({
        subject: z.string(),
        remaining: Credits,
        expires_at: Time.nullable(),
      }),
    ),
    held: Credits.meta({ description: "Set aside for what is running." }),
    debt: Credits,
    frozen: z.boolean(),
    period: z
      .strictObject({ start: Time, end: Time, granted: Credits, used: Credits })
      .nullable()
      .meta({ description: "The subscription's; null without one." }),
    next_refill_at: Time.nullable(),
    lifetime: z.strictObject({ granted: Credits, used: Credits, expired: Credits }),
    grants: z
      .array(
        z.strictObject({
          id: Id,
          source: z.string(),
          amount: Credits,
          remaining: Credits,
          subject: z.string().nullable(),
          expires_at: Time.nullable(),
        }),
      )
      .meta({ description: "In the order in which they are spent; 200 at most." }),
  })
  .meta({ id: "Balance" });
export type Balance = z.infer<typeof Balance>;

export const TransactionType = z.enum([
  "trial",
  "purchase",
  "subscription",
  "auto_reload",
  "promo",
  "generation",
  "usage",
  "refund",
  "expiry",
  "clawback",
  "adjustment",
]);

export const Transaction = z
  .strictObject({
    id: z.string().meta({ description: "`<account>.<number>`, counted from 1 without a gap." }),
    type: TransactionType,
    amount: Credits.meta({ description: "Negative when credits were taken." }),
    balance_after: Credits,
    generation_id: Id.optional(),
    payment_id: Id.optional(),
    description: z.string().nullable(),
    created_at: Time,
  })
  .meta({ id: "Transaction" });
export type Transaction = z.infer<typeof Transaction>;

const anyType = TransactionType.options.join("|");

export const TransactionQuery = z.strictObject({
  type: z
    .string()
    .regex(new RegExp(`^(?:${anyType})(?:,(?:${anyType})){0,10}$`), "A type, or several: a,b.")
    .transform((types) => types.split(","))
    .optional()
    .meta({ description: "One, or several with commas between them." }),
  ...spanQuery,
  ...amountQuery,
  generation_id: Id.optional(),
  payment_id: Id.optional(),
  text: text(200).optional().meta({ description: "A part of the description, in any case." }),
  ...pageQuery,
  ...csvQuery,
});
export const TransactionPage = page(Transaction);

export const ConsumeCredits = z
  .strictObject({ amount: Amount, description: text(500).optional(), subject })
  .meta({ id: "ConsumeCredits", examples: [{ amount: 1, description: "One letter" }] });

const after = {
  transaction_id: z.string(),
  available: Credits,
  held: Credits,
  debt: Credits,
};

export const Consumption = z
  .strictObject({ amount: Credits, charged: Charged, credit_type: CreditType, ...after })
  .meta({ id: "Consumption" });
export type Consumption = z.infer<typeof Consumption>;

export const CreateHold = z
  .strictObject({
    amount: Amount,
    expires_in: z.int().min(1).max(86_400).default(900).meta({ description: "Seconds." }),
    description: text(500).optional(),
    subject,
  })
  .meta({ id: "CreateHold", examples: [{ amount: 2, expires_in: 600 }] });

export const Hold = z
  .strictObject({
    id: Id,
    status: z.enum(["open", "captured", "released"]),
    amount: Credits,
    captured: Credits,
    released: Credits,
    expires_at: Time.optional().meta({ description: "While it is open." }),
    ...after,
  })
  .meta({ id: "Hold" });
export type Hold = z.infer<typeof Hold>;

export const CaptureHold = z
  .strictObject({ amount: Amount })
  .meta({ id: "CaptureHold", examples: [{ amount: 1 }] });

const reload = {
  threshold: z
    .int()
    .min(1)
    .max(100)
    .meta({ description: "Below as many paid credits, unbound ones, it buys." }),
  monthly_cap: z
    .int()
    .min(1)
    .max(most)
    .nullable()
    .meta({ description: "The most money in a calendar month (UTC), in the price's currency." }),
};

/** On with what it buys, or off. */
export const SetAutoReload = z
  .union([
    z
      .strictObject({
        enabled: z.literal(true),
        threshold: reload.threshold,
        price_id: Id.optional(),
        product: ProductKey.optional().meta({ description: "A pack. Instead of `price_id`." }),
        currency: Currency.optional(),
        provider: ProviderName.optional(),
        monthly_cap: reload.monthly_cap.default(null),
        consent: z.boolean().meta({
          description:
            "The customer agrees to be charged while they are away; keep a record of it.",
        }),
      })
      .refine(namesOne, oneOf)
      .meta({ id: "TurnOnAutoReload" }),
    z.strictObject({ enabled: z.literal(false) }).meta({ id: "TurnOffAutoReload" }),
  ])
  .meta({
    id: "SetAutoReload",
    examples: [{ enabled: true, threshold: 10, product: "pack_10", consent: true }],
  });

export const AutoReload = z
  .strictObject({
    enabled: z.boolean(),
    threshold: reload.threshold.nullable(),
    price_id: Id.nullable(),
    product: z.strictObject({ key: z.string(), name: Texts }).nullable(),
    provider: ProviderName.nullable(),
    price: orNull(Money),
    credits: Credits.nullable().meta({ description: "What one reload buys." }),
    monthly_cap: reload.monthly_cap,
    spent_this_month: z.int().meta({ description: "Money, in the price's currency." }),
    has_card: z.boolean().meta({ description: "Without one a link to pay is sent." }),
    failures: z.int().meta({ description: "In a row; after three it is switched off." }),
    disabled_reason: z.string().nullable(),
    last_attempt_at: Time.nullable(),
    consented_at: Time.nullable(),
  })
  .meta({ id: "AutoReload" });
export type AutoReload = z.infer<typeof AutoReload>;

export const AdjustCredits = z
  .strictObject({
    amount: z
      .int()
      .min(-most)
      .max(most)
      .refine((amount) => amount !== 0, "Not 0."),
    reason: text(500),
  })
  .meta({ id: "AdjustCredits", examples: [{ amount: 5, reason: "An apology" }] });

export const Adjustment = z.strictObject({ amount: Credits, ...after }).meta({ id: "Adjustment" });
export type Adjustment = z.infer<typeof Adjustment>;
