import { type TextOrder, writeDescription } from "./write-description.ts";
import { writeLetter } from "./write-letter.ts";

const languages = ["en", "fa"] as const;
const charactersPerToken = 4;

/**
 * A text by templates: a letter where the look says so, else a product description. Undefined for
 * a language that there are no templates of; without any it is English.
 */
export function writeText(look: unknown, asked: Omit<TextOrder, "language">): string | undefined {
  const language = languages.find((one) => one === (asked.params.language ?? "en"));
  if (!language) return undefined;
  const write = look === "letter" ? writeLetter : writeDescription;
  return write({ ...asked, language });
}

/** A token for each four characters, rounded up: about what models count, and always the same. */
export const countTokens = (text: string): number =>
  Math.ceil([...text].length / charactersPerToken);
