import { createFormats } from "@ducat/messages/formats";
import { chooseLanguage, directions, type Language } from "@ducat/messages/language";
import type { ErrorCode } from "@ducat/types/errors";
import type { Context } from "hono";
import { html } from "hono/html";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { AppEnv } from "./deps.ts";

/** What a page for customers may say. */
export type PayState =
  | "succeeded"
  | "waiting"
  | "failed"
  | "ended"
  | "held"
  | "opening"
  | "missing"
  | "refused"
  | "unavailable";

type Words = { heading: string; text: string };

const words: Record<Language, Record<PayState, Words>> = {
  en: {
    succeeded: { heading: "Paid", text: "Thank you, your payment has arrived." },
    waiting: {
      heading: "Waiting for your payment",
      text: "We have not heard of it yet. If you have paid, it will arrive by itself.",
    },
    failed: {
      heading: "Not paid",
      text: "The payment didn't go through, and nothing was taken. You may try again.",
    },
    ended: { heading: "This link has ended", text: "The order can't be paid any more." },
    held: {
      heading: "We are looking at your payment",
      text: "What was paid differs from what was asked for. We will get in touch with you.",
    },
    opening: { heading: "One moment", text: "The payment page is being opened." },
    missing: { heading: "Not found", text: "There is no such order." },
    refused: { heading: "Not possible now", text: "This order can't be paid at the moment." },
    unavailable: {
      heading: "Please try again",
      text: "The payment provider can't be reached at the moment.",
    },
  },
  fa: {
    succeeded: { heading: "پرداخت شد", text: "سپاسگزاریم، پرداخت شما دریافت شد." },
    waiting: {
      heading: "در انتظار پرداخت",
      text: "هنوز خبری از پرداخت شما نرسیده است. اگر پرداخت کرده‌اید، خودکار ثبت می‌شود.",
    },
    failed: {
      heading: "پرداخت نشد",
      text: "پرداخت انجام نشد و مبلغی از شما کم نشده است. می‌توانید دوباره تلاش کنید.",
    },
    ended: { heading: "مهلت این پیوند تمام شده است", text: "این سفارش دیگر قابل پرداخت نیست." },
    held: {
      heading: "در حال بررسی پرداخت شما",
      text: "مبلغ پرداخت‌شده با مبلغ سفارش یکی نیست. با شما تماس می‌گیریم.",
    },
    opening: { heading: "یک لحظه", text: "صفحهٔ پرداخت در حال باز شدن است." },
    missing: { heading: "پیدا نشد", text: "چنین سفارشی وجود ندارد." },
    refused: { heading: "اکنون ممکن نیست", text: "این سفارش در حال حاضر قابل پرداخت نیست." },
    unavailable: {
      heading: "لطفاً دوباره تلاش کنید",
      text: "در حال حاضر به درگاه پرداخت دسترسی نیست.",
    },
  },
};

const links: Record<Language, { retry: string; pay: string }> = {
  en: { retry: "Try again", pay: "To the payment page" },
  fa: { retry: "تلاش دوباره", pay: "رفتن به صفحهٔ پرداخت" },
};
const states: Partial<Record<ErrorCode, PayState>> = {
  not_found: "missing",
  in_progress: "opening",
  provider_unavailable: "unavailable",
  unavailable: "unavailable",
  internal: "unavailable",
};

/** What a refusal is to a customer, who can't do anything about its code. */
export const stateOf = (code: ErrorCode): PayState => states[code] ?? "refused";

export type PayPage = {
  status: ContentfulStatusCode;
  state: PayState;
  /** The account's; without one the browser's. */
  locale?: string | undefined;
  order?: { name?: Record<string, string>; amount: number; currency: string; reference: string };
  /** Where it can be tried again. */
  retryUrl?: string | undefined;
};

/** A page for customers. It loads nothing from anywhere, and no other page may frame it. */
export function answerPage(c: Context<AppEnv>, page: PayPage) {
  const language = chooseLanguage(page.locale ?? c.req.header("accept-language") ?? "");
  const { heading, text } = words[language][page.state];
  const headers = {
    "content-security-policy":
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
      "frame-ancestors 'none'",
    "x-robots-tag": "noindex",
    ...(page.state === "opening" && { refresh: "2" }),
  };
  const style =
    "body{font:1rem/1.6 system-ui,Tahoma,sans-serif;max-width:32rem;margin:4rem auto;" +
    "padding:0 1rem;color:#1c2024}dl{color:#60646c}dd{margin:0 0 .5rem}";
  const label = links[language][page.state === "waiting" ? "pay" : "retry"];
  const link = page.retryUrl && html`<p><a href="${page.retryUrl}">${label}</a></p>`;
  return c.html(
    html`<!doctype html><html lang="${language}" dir="${directions[language]}"><head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${heading}</title><style>${style}</style></head>
<body><h1>${heading}</h1><p>${text}</p>${describeOrder(page.order, language)}${link ?? ""}</body>
</html>`,
    page.status,
    headers,
  );
}

function describeOrder(order: PayPage["order"], language: Language) {
  if (!order) return "";
  const formats = createFormats(language, { publicUrl: "" });
  const name = order.name && html`<dd>${formats.name(order.name)}</dd>`;
  return html`<dl>${name ?? ""}<dd>${formats.money(order)}</dd>
<dd dir="ltr"><code>${order.reference}</code></dd></dl>`;
}
