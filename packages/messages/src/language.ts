/** The languages that messages are written in. */
export type Language = "en" | "fa";

/** The language for an account's locale, for example fa for fa-IR and en for whatever else. */
export function chooseLanguage(locale: string): Language {
  return /^fa(?:[-_]|$)/i.test(locale) ? "fa" : "en";
}

/** The direction in which a language is written. */
export const directions = { en: "ltr", fa: "rtl" } as const;
