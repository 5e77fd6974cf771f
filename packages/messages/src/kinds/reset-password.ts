import { z } from "zod";
import { defineKind, LinkToken } from "../letter.ts";

/** Sent to whoever has forgotten their password, or says so. */
export const resetPassword = defineKind({
  data: z.object({ token: LinkToken }),
  en: ({ token }, { loginLink }) => ({
    subject: "Choose a new password",
    paragraphs: [
      "Somebody, we hope you, asked for a new password of your account.",
      "The link works once, for an hour. If it wasn't you, do nothing: your password stays.",
    ],
    action: { label: "Choose a password", url: loginLink("reset-password", token) },
    sms: "Choose a new password:",
  }),
  fa: ({ token }, { loginLink }) => ({
    subject: "گذرواژهٔ تازه انتخاب کنید",
    paragraphs: [
      "برای حساب شما گذرواژهٔ تازه درخواست شده است.",
      "این پیوند یک بار و تا یک ساعت کار می‌کند. اگر شما نبوده‌اید، کاری لازم نیست.",
    ],
    action: { label: "انتخاب گذرواژه", url: loginLink("reset-password", token) },
    sms: "گذرواژهٔ تازه انتخاب کنید:",
  }),
});
