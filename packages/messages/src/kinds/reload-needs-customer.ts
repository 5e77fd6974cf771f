import { z } from "zod";
import { Count, defineKind, OrderReference, Price } from "../letter.ts";

/** Sent when a reload can't be charged without the customer: a link to pay it by hand. */
export const reloadNeedsCustomer = defineKind({
  data: z.object({
    reference: OrderReference,
    ...Price,
    credits: Count,
    /** Why, in the words of packages/billing; authentication_required has a sentence of its own. */
    code: z.string().nullish(),
  }),
  en: (data, { money, credits, payLink }) => ({
    subject: "Your credits are running low",
    paragraphs: [
      data.code === "authentication_required"
        ? "Your credits are running low. Your bank wants you to confirm the automatic reload."
        : "Your credits are running low, and the automatic reload could not be charged.",
      `Please pay here to get ${credits(data.credits)} for ${money(data)}.`,
    ],
    action: { label: `Pay ${money(data)}`, url: payLink(data.reference) },
    sms: `Your credits are running low. ${credits(data.credits)} for ${money(data)}:`,
  }),
  fa: (data, { money, credits, payLink }) => ({
    subject: "اعتبار شما رو به پایان است",
    paragraphs: [
      data.code === "authentication_required"
        ? "اعتبار شما رو به پایان است. بانک شما برای شارژ خودکار به تأیید شما نیاز دارد."
        : "اعتبار شما رو به پایان است و شارژ خودکار انجام نشد.",
      `برای دریافت ${credits(data.credits)} به مبلغ ${money(data)} از اینجا پرداخت کنید.`,
    ],
    action: { label: "پرداخت", url: payLink(data.reference) },
    sms: `اعتبار شما رو به پایان است. ${credits(data.credits)}، ${money(data)}:`,
  }),
});
