import { z } from "zod";
import { defineKind, ProductName } from "../letter.ts";

/** Sent when a subscription is over. */
export const subscriptionEnded = defineKind({
  data: z.object({ product: ProductName }),
  en: ({ product }, { name }) => ({
    subject: `${name(product)} has ended`,
    paragraphs: [
      `Your subscription ${name(product)} has ended.`,
      "You will not be charged for it any more. You can subscribe again at any time.",
    ],
    sms: `Your subscription ${name(product)} has ended.`,
  }),
  fa: ({ product }, { name }) => ({
    subject: `پایان ${name(product)}`,
    paragraphs: [
      `اشتراک ${name(product)} شما به پایان رسید.`,
      "دیگر هزینه‌ای بابت آن از شما گرفته نمی‌شود. هر زمان بخواهید می‌توانید دوباره مشترک شوید.",
    ],
    sms: `اشتراک ${name(product)} شما به پایان رسید.`,
  }),
});
