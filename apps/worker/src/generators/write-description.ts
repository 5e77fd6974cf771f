import {
  type Product,
  type ProductPhrases,
  type Sentence,
  type Tone,
  tones,
} from "./product-phrases.ts";
import { englishProduct } from "./product-phrases-en.ts";
import { persianProduct } from "./product-phrases-fa.ts";
import { type Chance, createChance } from "./seed.ts";
import { cutWords, toCapital, toLine } from "./tidy-words.ts";

const maxPromptLength = 2000;
const maxNameLength = 80;
const maxFeatures = 5;
const maxFeatureLength = 90;
const maxAttributes = 20;

/** What a text is to be; `params` are the caller's, whatever they are. */
export type TextOrder = {
  prompt: string;
  label: string | null;
  seed: string;
  language: "en" | "fa";
  params: Record<string, unknown>;
};

const phrases = { en: englishProduct, fa: persianProduct };

/**
 * A product description, put together from sentences of our own and what the request says of the
 * product. `seed` decides which ones, so the same item gets the same text.
 */
export function writeDescription({ prompt, label, seed, language, params }: TextOrder): string {
  const words = phrases[language];
  const product = readProduct(prompt, label, words);
  const chance = createChance(`text:${seed}:${prompt}`);
  const tone = readTone(params.tone);
  const say = (from: readonly [Sentence, ...Sentence[]]) => chance.pick(from)(product);
  const headline = say(words.headlines);
  const opening = say(words.openings[tone]);
  const category = typeof params.category === "string" ? toLine(params.category) : "";
  const start = [headline, opening, category && words.category(cutWords(category, maxNameLength))];
  const isShort = params.length === "short";
  const features = [...product.features, ...listAttributes(params.attributes)];
  const middle = isShort ? "" : describeFeatures({ ...product, features }, words, chance);
  const detail = params.length === "long" ? say(words.details) : "";
  const closing = isShort ? "" : say(words.closings[tone]);
  return [...start, middle, detail, closing].filter((part) => part !== "").join("\n\n");
}

/** Which of the tones it is. */
export const readTone = (given: unknown): Tone => tones.find((tone) => tone === given) ?? "plain";

/** The product's name is the prompt up to its first comma or "with"; the rest are its features. */
function readProduct(prompt: string, label: string | null, words: ProductPhrases): Product {
  const [head = "", ...rest] = cutWords(toLine(prompt), maxPromptLength)
    .replace(words.request, "")
    .split(words.separator)
    .map((part) => part.trim())
    .filter(Boolean);
  const name = (label?.trim() || head || words.product).replace(words.article, "");
  const features = (label && head && head !== label ? [head, ...rest] : rest)
    .flatMap((part) => part.split(words.and))
    .map((part) => part.replace(words.filler, "").trim())
    .filter((part) => part.length > 2 && part.length <= maxFeatureLength);
  return {
    name: cutWords(name, maxNameLength),
    features: [...new Set(features)].slice(0, maxFeatures),
  };
}

function listAttributes(given: unknown): string[] {
  if (typeof given !== "object" || given === null || Array.isArray(given)) return [];
  const told = Object.entries(given).slice(0, maxAttributes);
  return told.flatMap(([name, value]) => {
    if (typeof value !== "string" && typeof value !== "number") return [];
    return [`${toLine(name)}: ${cutWords(toLine(String(value)), maxFeatureLength)}`];
  });
}

function describeFeatures(product: Product, words: ProductPhrases, chance: Chance): string {
  if (product.features.length === 0) return chance.pick(words.middles)(product);
  const lines = product.features.map((feature) => `- ${toCapital(feature)}`);
  return `${chance.pick(words.featureLeads)}:\n${lines.join("\n")}`;
}
