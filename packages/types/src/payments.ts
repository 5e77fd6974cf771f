import { z } from "zod";
import { Currency, Metadata, ProviderName } from "./checkout.ts";
import { orNull } from "./or-null.ts";
import { amountQuery, csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Id, Time, text } from "./text.ts";

/** In the smallest unit that the currency is counted in: cents, or whole rials. */
export const Money = z
  .strictObject({ amount: z.int(), currency: Currency })
  .meta({ id: "Money", examples: [{ amount: 900, currency: "USD" }] });
export type Money = z.infer<typeof Money>;

/** Text by language. */
export const Texts = z.record(z.string(), z.string());

export const PaymentStatus = z
  .enum([
    "created",
    "pending",
    "succeeded",
    "partially_reversed",
    "reversed",
    "disputed",
    "failed",
    "expired",
    "quarantined",
  ])
  .meta({
    description:
      "`created` waits for the customer, `pending` for the bank. A payment that has `failed` or " +
      "`expired` may still succeed. `quarantined`: what was charged is not what was asked for, " +
      "and a person looks at it.",
  });
export type PaymentStatus = z.infer<typeof PaymentStatus>;

export const PaymentPurpose = z.enum([
  "pack",
  "pass",
  "subscription",
  "renewal",
  "reload",
  "invoice",
]);

export const Payment = z
  .strictObject({
    id: Id,
    status: PaymentStatus,
    purpose: PaymentPurpose,
    provider: ProviderName,
    product: z.strictObject({ key: z.string(), name: Texts }).nullable(),
    price_id: Id.nullable(),
    subscription_id: Id.nullable(),
    subject: z.string().nullable(),
    reference: z.string().meta({ description: "Ours: what the receipt and the pay link say." }),
    price: Money.meta({ description: "What was asked for." }),
    charged: orNull(Money).meta({ description: "What was paid, taxes included." }),
    reversed: Money.meta({ description: "Refunds and lost disputes." }),
    credits: z.int().meta({ description: "What it stands for; given when it succeeds." }),
    credits_granted: z.int(),
    credits_clawed: z.int().meta({ description: "Taken back for what was reversed." }),
    period: z.strictObject({ start: Time, end: Time }).nullable(),
    pay_url: z.url().nullable().meta({ description: "Where it can be paid, while it is open." }),
    receipt_ref: z.string().nullable().meta({ description: "The bank's." }),
    card: z.string().nullable().meta({ description: "Masked." }),
    failure_code: z.string().nullable(),
    metadata: Metadata,
    paid_at: Time.nullable(),
    expires_at: Time.nullable(),
    created_at: Time,
  })
  .meta({ id: "Payment" });
export type Payment = z.infer<typeof Payment>;

export const PaymentQuery = z.strictObject({
  status: z
    .enum(["created", "pending", "succeeded", "failed", "expired", "quarantined"])
    .optional()
    .meta({ description: "`succeeded` includes what was reversed afterwards." }),
  purpose: PaymentPurpose.optional(),
  provider: ProviderName.optional(),
  ...spanQuery,
  ...amountQuery,
  currency: Currency.optional(),
  text: text(200)
    .optional()
    .meta({ description: "A part of the reference or of `receipt_ref`, in any case." }),
  ...pageQuery,
  ...csvQuery,
});
export const PaymentPage = page(Payment);
