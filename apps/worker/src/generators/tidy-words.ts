/** One line: what a caller writes must not look like a paragraph of ours. */
export const toLine = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

/** At most so many characters, without a part of a word at the end. */
export function cutWords(text: string, most: number): string {
  if (text.length <= most) return text;
  return text.slice(0, most).replace(/\s+\S*$|[\ud800-\udbff]$/, "");
}

export const toCapital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
