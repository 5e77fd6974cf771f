import { z } from "zod";
import { At, defineKind, OrderReference, Price, ProductName } from "../letter.ts";

/** Sent before a subscription ends that only its owner can renew: a link to the next order. */
export const renewalDue = defineKind({
  data: z.object({ reference: OrderReference, product: ProductName, ...Price, due_at: At }),
  en: (data, { name, money, day, payLink }) => ({
    subject: `Renew ${name(data.product)}`,
    paragraphs: [
      `Your subscription ${name(data.product)} is paid until ${day(data.due_at)}.`,
      `Renew it for ${money(data)} to keep it.`,
    ],
    action: { label: `Pay ${money(data)}`, url: payLink(data.reference) },
    sms: `${name(data.product)} is paid until ${day(data.due_at)}. Renew for ${money(data)}:`,
  }),
  fa: (data, { name, money, day, payLink }) => ({
    subject: `تمدید ${name(data.product)}`,
    paragraphs: [
      `اشتراک ${name(data.product)} شما تا ${day(data.due_at)} اعتبار دارد.`,
      `برای ادامه، آن را با پرداخت ${money(data)} تمدید کنید.`,
    ],
    action: { label: "پرداخت و تمدید", url: payLink(data.reference) },
    sms: `${name(data.product)} تا ${day(data.due_at)} اعتبار دارد. تمدید: ${money(data)}`,
  }),
});
