import { z } from "zod";
import { defineKind } from "../letter.ts";

/** Sent when somebody signs up with an address that has a login: nobody else is told. */
export const loginExists = defineKind({
  data: z.object({}),
  en: () => ({
    subject: "You already have an account",
    paragraphs: [
      "Somebody, we hope you, tried to sign up with this address, which has an account already.",
      "Log in with your password, or ask for a new one. If it wasn't you, do nothing.",
    ],
    sms: "You already have an account. Log in, or ask for a new password.",
  }),
  fa: () => ({
    subject: "شما از پیش حساب دارید",
    paragraphs: [
      "با این نشانی دوباره ثبت‌نام شده است، اما این نشانی از پیش حساب دارد.",
      "با گذرواژهٔ خود وارد شوید یا گذرواژهٔ تازه بخواهید. اگر شما نبوده‌اید، کاری لازم نیست.",
    ],
    sms: "شما از پیش حساب دارید. وارد شوید یا گذرواژهٔ تازه بخواهید.",
  }),
});
