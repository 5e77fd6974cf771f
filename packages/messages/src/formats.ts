import type { Language } from "./language.ts";

export type Amount = { amount: number; currency: string };
/** A name by language, as products have it. */
export type LocalizedName = Record<string, string>;

/** How a language writes what stands in a message. */
export type Formats = {
  language: Language;
  number(value: number): string;
  /** For example "50 credits". */
  credits(value: number): string;
  money(amount: Amount): string;
  /** Day and time, with the name of the time zone. */
  time(at: Date): string;
  day(at: Date): string;
  name(name: LocalizedName): string;
  /** Where a customer pays the order of this reference. */
  payLink(reference: string): string;
  /** Where a person proves an address or chooses a password. */
  loginLink(page: "verify-email" | "reset-password", token: string): string;
};

const locales = { en: "en-GB", fa: "fa-IR-u-ca-persian-nu-arabext" } as const;
const zones = { en: "UTC", fa: "Asia/Tehran" } as const;

/** Where links lead. */
export type PageUrls = {
  /** Where the API's pages are. */
  publicUrl: string;
  /** The product's own pages for logins, instead of the API's. */
  loginPageUrl?: string | undefined;
};

/** The formats of a language. */
export function createFormats(
  language: Language,
  { publicUrl, loginPageUrl = `${publicUrl}/auth` }: PageUrls,
): Formats {
  const locale = locales[language];
  const timeZone = zones[language];
  const number = (value: number) => value.toLocaleString(locale);
  const credits = (value: number) => {
    if (language === "fa") return `${number(value)} اعتبار`;
    return `${number(value)} ${value === 1 ? "credit" : "credits"}`;
  };
  const day = (at: Date) => at.toLocaleDateString(locale, { dateStyle: "long", timeZone });
  return {
    language,
    number,
    credits,
    money: (amount) => formatMoney(amount, language),
    time: (at) => {
      const time = at.toLocaleTimeString(locale, { timeStyle: "short", timeZone });
      return language === "fa"
        ? `${day(at)}، ساعت ${time} به وقت تهران`
        : `${day(at)}, ${time} UTC`;
    },
    day,
    name: (name) => isolate(name[language] ?? Object.values(name)[0] ?? "", language),
    payLink: (reference) => `${publicUrl}/pay/${encodeURIComponent(reference)}`,
    loginLink: (page, token) => `${loginPageUrl}/${page}?token=${encodeURIComponent(token)}`,
  };
}

/** Rials are counted whole here and spoken of in tomans, ten rials each, in Persian. */
function formatMoney({ amount, currency }: Amount, language: Language): string {
  const locale = locales[language];
  if (currency === "IRR") {
    const rials = amount.toLocaleString(locale);
    if (language === "en") return `IRR ${rials}`;
    return `${rials} ریال (${(amount / 10).toLocaleString(locale)} تومان)`;
  }
  const currencyDisplay = language === "fa" ? "name" : "symbol";
  // British English would write US$.
  const format = new Intl.NumberFormat(language === "en" ? "en-US" : locale, {
    style: "currency",
    currency,
    currencyDisplay,
  });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

const foreign = { en: /[\p{Script=Arabic}\p{Script=Hebrew}]/u, fa: /\p{Script=Latin}/u };

/**
 * A text within a sentence, kept together where it runs the other way. Only there: a text message
 * with any such mark in it costs twice as much.
 */
export function isolate(text: string, language: Language): string {
  return foreign[language].test(text) ? `\u2068${text}\u2069` : text;
}
