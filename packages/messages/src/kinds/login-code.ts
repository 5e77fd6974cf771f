import { z } from "zod";
import { defineKind } from "../letter.ts";

/** Sent to where somebody waits for it. Its digits are those that phones fill in. */
export const loginCode = defineKind({
  data: z.object({
    code: z.string().regex(/^\d{6}$/, "is no code"),
    purpose: z.enum(["phone_verify", "login", "password_reset", "change_phone", "change_email"]),
  }),
  en: ({ code, purpose }) => ({
    subject: reasons.en[purpose],
    paragraphs: [`${reasons.en[purpose]}: ${code}`, "It works for 10 minutes. Give it to nobody."],
    sms: `${code} is your code. ${reasons.en[purpose]}. Give it to nobody.`,
  }),
  fa: ({ code, purpose }) => ({
    subject: reasons.fa[purpose],
    paragraphs: [`${reasons.fa[purpose]}: ${code}`, "تا ۱۰ دقیقه کار می‌کند. آن را به کسی ندهید."],
    sms: `کد شما: ${code}\n${reasons.fa[purpose]}. آن را به کسی ندهید.`,
  }),
});

/** What the code does, so that nobody is talked into giving it away for something else. */
const reasons = {
  en: {
    phone_verify: "It confirms your number",
    login: "It logs you in",
    password_reset: "It changes your password",
    change_phone: "It makes this number the one of your account",
    change_email: "It makes this address the one of your account",
  },
  fa: {
    phone_verify: "برای تأیید شماره",
    login: "برای ورود",
    password_reset: "برای تغییر گذرواژه",
    change_phone: "برای ثبت این شماره در حساب شما",
    change_email: "برای ثبت این نشانی در حساب شما",
  },
};
