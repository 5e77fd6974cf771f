import { z } from "zod";
import { isolate } from "../formats.ts";
import { At, Count, defineKind, Line, OrderReference, Price, ProductName } from "../letter.ts";

export const Receipt = z.object({
  payment_id: z.uuid(),
  reference: OrderReference,
  purpose: z.string(),
  /** Null where what was paid for is no product of the catalog any more. */
  product: ProductName.nullish(),
  credits: Count,
  ...Price,
  paid_at: At,
  /** The provider's own number of the payment. */
  receipt_ref: Line.nullish(),
  card_mask: Line.nullish(),
  /** For the page, where a receipt is read later: what has gone back since. */
  refunded: Count.nullish(),
  /** For the page: who paid. */
  customer: Line.nullish(),
});
/** What a receipt is made from, as it is queued. */
export type ReceiptData = z.input<typeof Receipt>;

/** Sent once for every payment that succeeded. */
export const receipt = defineKind({
  data: Receipt,
  en(data, { name, credits, money, time }) {
    const product = data.product ? name(data.product) : undefined;
    const rows: [string, string][] = [
      ["Amount", money(data)],
      ["Paid on", time(data.paid_at)],
      ["Reference", data.reference],
    ];
    if (data.refunded) rows.splice(1, 0, ["Refunded", money({ ...data, amount: data.refunded })]);
    if (data.credits > 0) rows.unshift(["Credits", credits(data.credits)]);
    if (product) rows.unshift(["Product", product]);
    if (data.customer) rows.unshift(["Customer", data.customer]);
    if (data.card_mask) rows.push(["Card", data.card_mask]);
    if (data.receipt_ref) rows.push(["Receipt number", data.receipt_ref]);
    return {
      subject: product ? `Receipt: ${product}` : "Receipt for your payment",
      paragraphs: [reasons.en[data.purpose] ?? "Thank you. Your payment has arrived."],
      rows,
      sms: `Paid: ${money(data)}${product ? ` for ${product}` : ""}. Ref. ${data.reference}`,
    };
  },
  fa(data, { name, credits, money, time }) {
    const product = data.product ? name(data.product) : undefined;
    const reference = isolate(data.reference, "fa");
    const rows: [string, string][] = [
      ["مبلغ", money(data)],
      ["زمان پرداخت", time(data.paid_at)],
      ["کد پیگیری", reference],
    ];
    if (data.refunded) {
      rows.splice(1, 0, ["بازگردانده‌شده", money({ ...data, amount: data.refunded })]);
    }
    if (data.credits > 0) rows.unshift(["اعتبار", credits(data.credits)]);
    if (product) rows.unshift(["محصول", product]);
    if (data.customer) rows.unshift(["خریدار", data.customer]);
    if (data.card_mask) rows.push(["کارت", isolate(data.card_mask, "fa")]);
    if (data.receipt_ref) rows.push(["شمارهٔ رسید", data.receipt_ref]);
    return {
      subject: product ? `رسید پرداخت: ${product}` : "رسید پرداخت شما",
      paragraphs: [reasons.fa[data.purpose] ?? "سپاسگزاریم. پرداخت شما انجام شد."],
      rows,
      sms: `پرداخت شد: ${money(data)}${product ? ` برای ${product}` : ""}. پیگیری: ${reference}`,
    };
  },
});

const reasons: Record<"en" | "fa", Record<string, string>> = {
  en: {
    reload: "Your credits were running low and have been reloaded, as you had asked for.",
    renewal: "Thank you. Your subscription has been renewed.",
    invoice: "Thank you. The invoice of your subscription has been paid.",
    subscription: "Thank you. Your subscription has begun.",
  },
  fa: {
    reload: "اعتبار شما رو به پایان بود و همان‌طور که خواسته بودید خودکار شارژ شد.",
    renewal: "سپاسگزاریم. اشتراک شما تمدید شد.",
    invoice: "سپاسگزاریم. صورت‌حساب اشتراک شما پرداخت شد.",
    subscription: "سپاسگزاریم. اشتراک شما آغاز شد.",
  },
};
