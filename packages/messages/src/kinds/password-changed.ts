import { z } from "zod";
import { defineKind } from "../letter.ts";

/** Sent when a password was changed, to whoever may not have done it. */
export const passwordChanged = defineKind({
  data: z.object({}),
  en: () => ({
    subject: "Your password was changed",
    paragraphs: [
      "The password of your account was changed, and every device was logged out.",
      "If it wasn't you, ask for a new password at once.",
    ],
    sms: "Your password was changed. If it wasn't you, ask for a new one at once.",
  }),
  fa: () => ({
    subject: "گذرواژهٔ شما تغییر کرد",
    paragraphs: [
      "گذرواژهٔ حساب شما تغییر کرد و همهٔ دستگاه‌ها از حساب خارج شدند.",
      "اگر شما نبوده‌اید، بی‌درنگ گذرواژهٔ تازه بخواهید.",
    ],
    sms: "گذرواژهٔ شما تغییر کرد. اگر شما نبوده‌اید، بی‌درنگ گذرواژهٔ تازه بخواهید.",
  }),
});
