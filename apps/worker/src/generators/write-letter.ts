import { englishLetter, occasions, persianLetter } from "./letter-phrases.ts";
import { createChance } from "./seed.ts";
import { cutWords, toCapital, toLine } from "./tidy-words.ts";
import { readTone, type TextOrder } from "./write-description.ts";

const maxPromptLength = 2000;
const maxNameLength = 100;

const phrases = { en: englishLetter, fa: persianLetter };

/**
 * A letter around what the caller wants to say, which stays in their own words. `seed` decides
 * between sentences, so the same item gets the same letter. A label is its subject.
 */
export function writeLetter({ prompt, label, seed, language, params }: TextOrder): string {
  const words = phrases[language];
  const chance = createChance(`letter:${seed}:${prompt}`);
  const tone = readTone(params.tone);
  const occasion = occasions.find((one) => one === params.occasion) ?? "other";
  const recipient = readName(params.recipient);
  const sender = readName(params.sender);
  const opening = chance.pick(words.openings[occasion]);
  const about = chance.pick(words.about);
  const message = endSentence(cutWords(toLine(prompt), maxPromptLength));
  return [
    label?.trim() && words.subject(cutWords(toLine(label), maxNameLength)),
    recipient ? words.greetings[tone](recipient) : words.anyone,
    opening,
    message && `${about} ${toCapital(message)}`,
    chance.pick(words.closings[occasion]),
    [words.ends[tone], sender].filter(Boolean).join("\n"),
  ]
    .filter(Boolean)
    .join("\n\n");
}

const readName = (given: unknown): string =>
  typeof given === "string" ? cutWords(toLine(given), maxNameLength) : "";

const endSentence = (text: string): string =>
  text === "" || /[.!?؟…]$/u.test(text) ? text : `${text}.`;
