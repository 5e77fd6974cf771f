/** What breaks a line or a header, everywhere. */
const breaks = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
/** What turns the direction of the text around it, or can't be sent. */
const tricks = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\p{Surrogate}]/gu;

/**
 * A text that others wrote, as one line of at most `most` characters: no control characters, line
 * breaks or direction marks, so that it can neither add a header nor rearrange what is around it.
 * It may still hold markup: whoever writes HTML escapes it.
 */
export function cleanText(text: string, most = 200): string {
  const line = text.replace(tricks, "").replace(breaks, " ").trim();
  const characters = [...line];
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join("")}…`;
}

/**
 * A person's name for a greeting, or undefined where it could be more than a name: an address of a
 * page in it would make us send somebody's advertisement.
 */
export function readName(name: string | null): string | undefined {
  const line = cleanText(name ?? "", 60);
  return /^(?:[\p{L}\p{M}\p{N}\u200c '’,&-]|\.(?=[ ,]|$))+$/u.test(line) ? line : undefined;
}
