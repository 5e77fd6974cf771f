import { z } from "zod";
import { defineKind, LinkToken } from "../letter.ts";

/** Sent to whoever signed up with this address, to prove that it is theirs. */
export const verifyEmail = defineKind({
  data: z.object({ token: LinkToken }),
  en: ({ token }, { loginLink }) => ({
    subject: "Confirm your e-mail address",
    paragraphs: [
      "Somebody, we hope you, signed up with this address. Confirm that it is yours.",
      "The link works once, for 24 hours. If it wasn't you, do nothing.",
    ],
    action: { label: "Confirm the address", url: loginLink("verify-email", token) },
    sms: "Confirm your e-mail address:",
  }),
  fa: ({ token }, { loginLink }) => ({
    subject: "نشانی ایمیل خود را تأیید کنید",
    paragraphs: [
      "با این نشانی ثبت‌نام شده است. اگر شما بوده‌اید، تأیید کنید که این نشانی از آن شماست.",
      "این پیوند یک بار و تا ۲۴ ساعت کار می‌کند. اگر شما نبوده‌اید، کاری لازم نیست.",
    ],
    action: { label: "تأیید نشانی", url: loginLink("verify-email", token) },
    sms: "نشانی ایمیل خود را تأیید کنید:",
  }),
});
