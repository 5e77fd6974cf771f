import { chooseLanguage, directions, type Language } from "@ducat/messages/language";
import type { Context } from "hono";
import { html } from "hono/html";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppEnv } from "./deps.ts";

export type LoginPage = "verify" | "verified" | "reset" | "changed" | "weak" | "ended" | "later";

type Words = { heading: string; text: string; button?: string };

const words: Record<Language, Record<LoginPage, Words>> = {
  en: {
    verify: {
      heading: "Confirm your e-mail address",
      text: "Press the button if it was you who signed up.",
      button: "Confirm the address",
    },
    verified: { heading: "Confirmed", text: "Thank you. You can go back and log in." },
    reset: { heading: "Choose a new password", text: "Ten characters at least.", button: "Save" },
    changed: {
      heading: "Saved",
      text: "Your password was changed and every device was logged out. You can log in now.",
    },
    weak: {
      heading: "Choose another password",
      text: "It has to have 10 to 128 characters.",
      button: "Save",
    },
    ended: {
      heading: "This link has ended",
      text: "It has been used or has expired. Ask for another one.",
    },
    later: { heading: "Please try again", text: "This is not possible at the moment." },
  },
  fa: {
    verify: {
      heading: "نشانی ایمیل خود را تأیید کنید",
      text: "اگر شما ثبت‌نام کرده‌اید، دکمه را بزنید.",
      button: "تأیید نشانی",
    },
    verified: { heading: "تأیید شد", text: "سپاسگزاریم. می‌توانید برگردید و وارد شوید." },
    reset: { heading: "گذرواژهٔ تازه انتخاب کنید", text: "دست‌کم ده نویسه.", button: "ذخیره" },
    changed: {
      heading: "ذخیره شد",
      text: "گذرواژه تغییر کرد و همهٔ دستگاه‌ها خارج شدند. اکنون می‌توانید وارد شوید.",
    },
    weak: {
      heading: "گذرواژهٔ دیگری انتخاب کنید",
      text: "باید بین ۱۰ تا ۱۲۸ نویسه باشد.",
      button: "ذخیره",
    },
    ended: {
      heading: "مهلت این پیوند تمام شده است",
      text: "این پیوند پیش‌تر استفاده شده یا منقضی شده است. پیوند تازه‌ای بخواهید.",
    },
    later: { heading: "لطفاً دوباره تلاش کنید", text: "در حال حاضر ممکن نیست." },
  },
};

const style =
  "body{font:1rem/1.6 system-ui,Tahoma,sans-serif;max-width:32rem;margin:4rem auto;" +
  "padding:0 1rem;color:#1c2024}input,button{font:inherit;padding:.5rem .75rem;margin:.25rem 0}" +
  "input{width:100%;box-sizing:border-box}";

/**
 * A page behind a link that was mailed. What it does, its form does: programs that follow links to
 * look at them use none up. It loads nothing, and no other page may frame it or learn its address.
 */
export function answerLoginPage(
  c: Context<AppEnv>,
  { page, status, token }: { page: LoginPage; status: ContentfulStatusCode; token?: string },
) {
  const language = chooseLanguage(c.req.header("accept-language") ?? "");
  const { heading, text, button } = words[language][page];
  const password =
    page === "reset" || page === "weak"
      ? html`<input type="password" name="password" minlength="10" maxlength="128" required
autocomplete="new-password" aria-label="${heading}">`
      : "";
  const form =
    button === undefined
      ? ""
      : html`<form method="post" action="${c.req.path}"><input type="hidden" name="token"
value="${token ?? ""}">${password}<p><button>${button}</button></p></form>`;
  return c.html(
    html`<!doctype html><html lang="${language}" dir="${directions[language]}"><head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${heading}</title><style>${style}</style></head>
<body><h1>${heading}</h1><p>${text}</p>${form}</body></html>`,
    status,
    {
      "content-security-policy":
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; " +
        "frame-ancestors 'none'",
      "x-robots-tag": "noindex",
    },
  );
}
