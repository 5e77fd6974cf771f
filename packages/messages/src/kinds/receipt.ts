import { z } from "zod";
import { type Formats, isolate } from "../formats.ts";
import type { Language } from "../language.ts";
import { At, Count, defineKind, Line, OrderReference, Price, ProductName } from "../letter.ts";

/** What only the page has, where a receipt is read later. */
const onPage = {
  /** What was asked for: what was paid beyond it are taxes. */
  price: Count.nullish(),
  /** What has gone back since, and what a bank has taken back. */
  refunded: Count.nullish(),
  disputed: Count.nullish(),
  /** Credits that were taken back for it. */
  credits_clawed: Count.nullish(),
  /** Of a subscription's. */
  period: z.object({ start: At, end: At }).nullish(),
  /** Who paid. */
  customer: Line.nullish(),
};

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
  ...onPage,
});
/** What a receipt is made from, as it is queued. */
export type ReceiptData = z.input<typeof Receipt>;

/** Sent once for every payment that succeeded. */
export const receipt = defineKind({
  data: Receipt,
  en(data, formats) {
    const { name, money } = formats;
    const product = data.product ? name(data.product) : undefined;
    return {
      subject: product ? `Receipt: ${product}` : "Receipt for your payment",
      paragraphs: [reasons.en[data.purpose] ?? "Thank you. Your payment has arrived."],
      rows: listRows(data, formats),
      sms: `Paid: ${money(data)}${product ? ` for ${product}` : ""}. Ref. ${data.reference}`,
    };
  },
  fa(data, formats) {
    const { name, money } = formats;
    const product = data.product ? name(data.product) : undefined;
    const reference = isolate(data.reference, "fa");
    return {
      subject: product ? `رسید پرداخت: ${product}` : "رسید پرداخت شما",
      paragraphs: [reasons.fa[data.purpose] ?? "سپاسگزاریم. پرداخت شما انجام شد."],
      rows: listRows(data, formats),
      sms: `پرداخت شد: ${money(data)}${product ? ` برای ${product}` : ""}. پیگیری: ${reference}`,
    };
  },
});

type Shown = z.output<typeof Receipt>;

/** What was bought, what was paid for it, what became of it, and how it is found again. */
function listRows(data: Shown, formats: Formats): [string, string][] {
  const { language, name, credits, money, time, day } = formats;
  const label = labels[language];
  const { amount, price, refunded, disputed, period } = data;
  const sum = (of: number) => money({ amount: of, currency: data.currency });
  const taxes = price == null ? 0 : amount - price;
  const rows: [string, string | null | undefined][] = [
    [label.customer, data.customer],
    [label.product, data.product && name(data.product)],
    [label.period, period && `${day(period.start)} – ${day(period.end)}`],
    [label.credits, data.credits > 0 ? credits(data.credits) : null],
    [label.price, taxes > 0 ? sum(amount - taxes) : null],
    [label.taxes, taxes > 0 ? sum(taxes) : null],
    [label.amount, sum(amount)],
    [label.refunded, refunded ? sum(refunded) : null],
    [label.disputed, disputed ? sum(disputed) : null],
    [label.clawed, data.credits_clawed ? credits(data.credits_clawed) : null],
    [label.paidAt, time(data.paid_at)],
    [label.reference, isolateIn(language, data.reference)],
    [label.card, data.card_mask && isolateIn(language, data.card_mask)],
    [label.receipt, data.receipt_ref],
  ];
  return rows.flatMap(([of, value]): [string, string][] => (value ? [[of, value]] : []));
}

const isolateIn = (language: Language, text: string) =>
  language === "fa" ? isolate(text, "fa") : text;

const labels = {
  en: {
    customer: "Customer",
    product: "Product",
    period: "Period",
    credits: "Credits",
    price: "Price",
    taxes: "Taxes",
    amount: "Amount",
    refunded: "Refunded",
    disputed: "Taken back by the bank",
    clawed: "Credits taken back",
    paidAt: "Paid on",
    reference: "Reference",
    card: "Card",
    receipt: "Receipt number",
  },
  fa: {
    customer: "خریدار",
    product: "محصول",
    period: "دوره",
    credits: "اعتبار",
    price: "قیمت",
    taxes: "مالیات",
    amount: "مبلغ",
    refunded: "بازگردانده‌شده",
    disputed: "پس‌گرفته‌شده از سوی بانک",
    clawed: "اعتبار پس‌گرفته‌شده",
    paidAt: "زمان پرداخت",
    reference: "کد پیگیری",
    card: "کارت",
    receipt: "شمارهٔ رسید",
  },
};

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
