/** What we speak when nobody says anything else, and what every text has. */
const fallback = "en";
const mostWishes = 10;

/**
 * The language of an answer: the first that Accept-Language wishes for and that numbers can be
 * written in, else the account's, else English. A canonical tag as in fa-IR.
 */
export function chooseLanguage(header: string | undefined, own: string | undefined): string {
  const wishes = [...readWishes(header ?? ""), own ?? "", fallback];
  return wishes.map(findLanguage).find((language) => language !== undefined) ?? fallback;
}

/** The text in a language, or in its parent (fa for fa-IR), else in English. */
export function pickText(texts: Record<string, string>, language: string): string {
  const [parent = ""] = language.split("-");
  return texts[language] ?? texts[parent] ?? texts[fallback] ?? Object.values(texts)[0] ?? "";
}

function readWishes(header: string): string[] {
  const wishes = header.split(",", mostWishes).map((part) => {
    const [, tag = "", weight = "1"] = /^\s*([\w-]+)\s*(?:;\s*q=([\d.]+))?\s*$/.exec(part) ?? [];
    return { tag, weight: Number(weight) };
  });
  const wished = wishes.filter(({ weight }) => weight > 0);
  return wished.sort((one, other) => other.weight - one.weight).map(({ tag }) => tag);
}

function findLanguage(tag: string): string | undefined {
  try {
    return Intl.NumberFormat.supportedLocalesOf(tag === "" ? [] : [tag])[0];
  } catch {
    return undefined;
  }
}
