import { z } from "zod";
import { At, defineKind, Price, ProductName } from "../letter.ts";

const check = "کارت خود را بررسی کنید";

/** Sent when a provider could not charge a subscription's invoice. */
export const paymentFailed = defineKind({
  data: z.object({ product: ProductName, ...Price, next_attempt_at: At.nullish() }),
  en: (data, { name, money, day }) => ({
    subject: `Payment failed: ${name(data.product)}`,
    paragraphs: [
      `The payment of ${money(data)} for ${name(data.product)} did not succeed.`,
      data.next_attempt_at
        ? `It will be tried again on ${day(data.next_attempt_at)}. Please check your card before.`
        : "Please check your card, so that your subscription goes on.",
    ],
    sms: `The payment of ${money(data)} for ${name(data.product)} failed. Please check your card.`,
  }),
  fa: (data, { name, money, day }) => ({
    subject: `پرداخت ناموفق: ${name(data.product)}`,
    paragraphs: [
      `پرداخت ${money(data)} برای ${name(data.product)} انجام نشد.`,
      data.next_attempt_at
        ? `در ${day(data.next_attempt_at)} دوباره تلاش می‌شود. لطفاً پیش از آن ${check}.`
        : `برای ادامهٔ اشتراک، لطفاً ${check}.`,
    ],
    sms: `پرداخت ${money(data)} برای ${name(data.product)} انجام نشد. لطفاً ${check}.`,
  }),
});
