import { cleanText, readName } from "./clean-text.ts";
import { DeliveryError } from "./delivery-error.ts";
import { createFormats, type PageUrls } from "./formats.ts";
import { type ReceiptData, receipt } from "./kinds/receipt.ts";
import { kinds } from "./kinds.ts";
import { chooseLanguage, type Language } from "./language.ts";
import type { Letter } from "./letter.ts";

export type MessageToRender = {
  kind: string;
  locale: string;
  data: unknown;
  /** The account's name, as its owner wrote it. */
  name?: string | null;
};

export type RenderOptions = PageUrls & {
  /** The name of the shop. */
  brand?: string | undefined;
};

export type RenderedMessage = { subject: string; html: string; text: string; sms: string };

/**
 * A message in all its forms, in the language of the locale. Throws a final DeliveryError for a
 * kind that there is not, and for data that doesn't fit it.
 */
export async function renderMessage(
  message: MessageToRender,
  options: RenderOptions,
): Promise<RenderedMessage> {
  const kind = kinds.get(message.kind);
  if (!kind) {
    const text = `there is no message "${cleanText(message.kind, 64)}"`;
    throw new DeliveryError(text, { isFinal: true });
  }
  const language = chooseLanguage(message.locale);
  const letter = kind.write(message.data, createFormats(language, options));
  const brand = options.brand && cleanText(options.brand, 60);
  const greeting = greet(language, readName(message.name ?? null));
  const footer = footers[language];
  // Loading React takes longer than the rest of a worker's start.
  const { renderLetterHtml } = await import("./letter-html.ts");
  return {
    subject: cleanText(letter.subject),
    html: renderLetterHtml({ language, letter, brand, greeting, footer }),
    text: writeText(letter, [greeting, footer, brand]),
    sms: writeSms(letter, brand),
  };
}

/**
 * The page of a payment's receipt, for GET /v1/payments/:id/receipt; takes what a receipt is queued
 * with, and what has been refunded since. It has inline styles and no scripts: a
 * Content-Security-Policy of `default-src 'none'; style-src 'unsafe-inline'` is enough for it.
 */
export async function renderReceipt(
  data: ReceiptData,
  locale: string,
  brand?: string,
): Promise<string> {
  const language = chooseLanguage(locale);
  const letter = receipt.write(data, createFormats(language, { publicUrl: "" }));
  const { renderLetterHtml } = await import("./letter-html.ts");
  return renderLetterHtml({ language, letter, brand, greeting: undefined, footer: undefined });
}

function greet(language: Language, name: string | undefined): string {
  if (language === "fa") return name ? `${name} گرامی، سلام` : "سلام";
  return name ? `Hello ${name},` : "Hello,";
}

const footers = {
  en: "This is an automatic message about your account with us.",
  fa: "این پیام به‌صورت خودکار و دربارهٔ حساب شما فرستاده شده است.",
};

function writeText(letter: Letter, [greeting, ...closing]: (string | undefined)[]): string {
  const rows = (letter.rows ?? []).map(([label, value]) => `${label}: ${value}`).join("\n");
  const action = letter.action && `${letter.action.label}:\n${letter.action.url}`;
  const end = closing.filter(Boolean).join("\n");
  return [greeting, ...letter.paragraphs, rows, action, `-- \n${end}`].filter(Boolean).join("\n\n");
}

function writeSms({ sms, action }: Letter, brand: string | undefined): string {
  const text = brand ? `${brand}: ${sms}` : sms;
  return action ? `${text}\n${action.url}` : text;
}
