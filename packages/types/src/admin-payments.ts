import { z } from "zod";
import { Currency, Metadata, ProviderName } from "./checkout.ts";
import { orNull } from "./or-null.ts";
import { amountQuery, csvQuery, page, pageQuery, spanQuery } from "./pagination.ts";
import { Money, PaymentPurpose, PaymentQuery, PaymentStatus } from "./payments.ts";
import { Id, Reference, Time, text } from "./text.ts";

export const RefundPayment = z
  .strictObject({
    amount: z
      .int()
      .min(1)
      .max(1_000_000_000_000)
      .optional()
      .meta({ description: "In the payment's currency, in cents or rials. All that is left." }),
    reason: text(500),
  })
  .meta({ id: "RefundPayment", examples: [{ amount: 450, reason: "Half of it was spent" }] });
export type RefundPayment = z.infer<typeof RefundPayment>;

export const ResolveRefund = z
  .strictObject({
    outcome: z
      .enum(["succeeded", "failed"])
      .meta({ description: "Whether the provider has paid it back, as somebody has seen there." }),
    reason: text(500).meta({ description: "How that is known; for the audit line." }),
  })
  .meta({
    id: "ResolveRefund",
    examples: [{ outcome: "succeeded", reason: "The panel shows it, 20 November" }],
  });
export type ResolveRefund = z.infer<typeof ResolveRefund>;

const refund = {
  id: Id,
  status: z.enum(["pending", "succeeded", "failed"]).meta({
    description: "`pending`: the provider's answer is not known, and it is asked again.",
  }),
  amount: Money,
  reason: z.string().nullable(),
  error: z.string().nullable().meta({ description: "Why it failed or is pending." }),
  created_at: Time,
};

/** Money that goes back to a customer. */
export const PaymentRefund = z
  .strictObject({ ...refund, payment_id: Id })
  .meta({ id: "PaymentRefund" });
export type PaymentRefund = z.infer<typeof PaymentRefund>;

const ref = z.string().nullable();

/** A payment as administrators see it. */
export const AdminPayment = z
  .strictObject({
    id: Id,
    account_id: Id,
    status: PaymentStatus,
    purpose: PaymentPurpose,
    provider: ProviderName,
    mode: z.enum(["test", "live"]),
    product: z.string().nullable().meta({ description: "Its key." }),
    price_id: Id.nullable(),
    subscription_id: Id.nullable(),
    subject: z.string().nullable(),
    reference: z.string().meta({ description: "What the provider hears of it." }),
    provider_ref: ref.meta({ description: "The provider's name of the payment." }),
    invoice_ref: ref,
    customer_ref: ref,
    receipt_ref: ref,
    card: ref,
    price: Money,
    charged: orNull(Money),
    refunded: Money,
    disputed: Money.meta({ description: "Disputes that were lost." }),
    reversed: Money,
    credits: z.int(),
    credits_granted: z.int(),
    credits_clawed: z.int(),
    failure_code: z.string().nullable(),
    metadata: Metadata,
    refunds: z
      .array(z.strictObject({ ...refund, actor: z.string() }))
      .meta({ description: "Those that were asked for here; 20 at most, newest first." }),
    paid_at: Time.nullable(),
    expires_at: Time.nullable(),
    created_at: Time,
  })
  .meta({ id: "AdminPayment" });
export type AdminPayment = z.infer<typeof AdminPayment>;

export const AdminPaymentPage = page(AdminPayment);
export const AdminPaymentQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  account: Reference.optional().meta({ description: "An account's id or external id." }),
  provider: ProviderName.optional(),
  status: PaymentQuery.shape.status,
  purpose: PaymentPurpose.optional(),
  ...spanQuery,
  ...amountQuery,
  currency: Currency.optional(),
  text: text(300).optional().meta({
    description: "A payment's id, its reference, its receipt's number, or the provider's name.",
  }),
  ...csvQuery,
});
