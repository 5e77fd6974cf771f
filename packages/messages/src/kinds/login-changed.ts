import { z } from "zod";
import { defineKind } from "../letter.ts";

/** Sent to where somebody could be reached before, when they log in with something else now. */
export const loginChanged = defineKind({
  data: z.object({ channel: z.enum(["email", "phone"]) }),
  en: ({ channel }) => ({
    subject: `Your ${names.en[channel]} was changed`,
    paragraphs: [
      `Another ${names.en[channel]} was set for your account, and other devices were logged out.`,
      "If it wasn't you, write to us at once.",
    ],
    sms: `Another ${names.en[channel]} was set for your account. If it wasn't you, write to us.`,
  }),
  fa: ({ channel }) => ({
    subject: `${names.fa[channel]} حساب شما تغییر کرد`,
    paragraphs: [
      `${names.fa[channel]} تازه‌ای برای حساب شما ثبت شد و دستگاه‌های دیگر از حساب خارج شدند.`,
      "اگر شما نبوده‌اید، بی‌درنگ به ما خبر دهید.",
    ],
    sms: `${names.fa[channel]} تازه‌ای برای حساب شما ثبت شد. اگر شما نبوده‌اید، به ما خبر دهید.`,
  }),
});

const names = {
  en: { email: "e-mail address", phone: "phone number" },
  fa: { email: "نشانی ایمیل", phone: "شمارهٔ تلفن" },
};
