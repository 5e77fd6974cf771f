import { z } from "zod";
import { Count, defineKind, OrderReference, Price } from "../letter.ts";

/** Sent when a reload can't be charged without the customer: a link to pay it by hand. */
export const reloadNeedsCustomer = defineKind({
  data: z.object({
    reference: OrderReference,
    ...Price,
    credits: Count,
    /** Why: no_method where there is nothing to charge, else in the words of the provider. */
    code: z.string().nullish(),
  }),
  en: (data, { money, credits, payLink }) => ({
    subject: "Your credits are running low",
    paragraphs: [
      `Your credits are running low${reasons.en[data.code ?? ""] ?? reasons.en.declined}`,
      `Please pay here to get ${credits(data.credits)} for ${money(data)}.`,
    ],
    action: { label: `Pay ${money(data)}`, url: payLink(data.reference) },
    sms: `Your credits are running low. ${credits(data.credits)} for ${money(data)}:`,
  }),
  fa: (data, { money, credits, payLink }) => ({
    subject: "اعتبار شما رو به پایان است",
    paragraphs: [
      `اعتبار شما رو به پایان است${reasons.fa[data.code ?? ""] ?? reasons.fa.declined}`,
      `برای دریافت ${credits(data.credits)} به مبلغ ${money(data)} از اینجا پرداخت کنید.`,
    ],
    action: { label: "پرداخت", url: payLink(data.reference) },
    sms: `اعتبار شما رو به پایان است. ${credits(data.credits)}، ${money(data)}:`,
  }),
});

/** What follows on "are running low"; any other code is a payment that was declined. */
const reasons = {
  en: {
    authentication_required: ". Your bank wants you to confirm the automatic reload.",
    no_method: ". You asked to be told, so that you can reload them.",
    declined: ", and the payment of the automatic reload was declined.",
  } as Record<string, string>,
  fa: {
    authentication_required: ". بانک شما برای شارژ خودکار به تأیید شما نیاز دارد.",
    no_method: ". خواسته بودید خبرتان کنیم تا آن را شارژ کنید.",
    declined: " و پرداخت شارژ خودکار انجام نشد.",
  } as Record<string, string>,
};
