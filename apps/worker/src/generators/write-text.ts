import { type Chance, createChance } from "./seed.ts";

const maxPromptLength = 2000;
const maxSubjectLength = 80;
const maxFeatures = 5;
const maxFeatureLength = 90;

type Product = { name: string; features: string[] };
type Sentence = (product: Product) => string;

// Every sentence works for one thing and for several: a prompt doesn't say which it names.
const headlines: readonly [Sentence, ...Sentence[]] = [
  ({ name }) => `${capital(name)}, done properly`,
  ({ name }) => `${capital(name)} for every single day`,
  ({ name }) => `Your next ${name}`,
  ({ name }) => `${capital(name)}: less fuss, more joy`,
  ({ name }) => `Say hello to your new ${name}`,
];

const openings: readonly [Sentence, ...Sentence[]] = [
  ({ name }) =>
    "Some things you buy once and then stop thinking about. That is the idea behind our " +
    `${name}: quiet, dependable, and there whenever you need it.`,
  ({ name }) =>
    `We asked people what bothered them most about their old ${name}, and then we fixed it. ` +
    "What is left feels right from the first minute and still does after a few hundred.",
  ({ name }) =>
    `Good design makes the day a little easier. Our ${name} started there, with the way people ` +
    "really live: nothing to learn, nothing to put up with.",
  ({ name }) =>
    `Not every ${name} story begins with a workshop and a stubborn idea. This one does: honest ` +
    "materials, careful work, and no detail that doesn't earn its place.",
];

const featureLeads: readonly [string, ...string[]] = [
  "What you get",
  "What makes the difference",
  "In detail",
];

const plainMiddles: readonly [Sentence, ...Sentence[]] = [
  () => "The shape is simple, the finish is careful, and the materials were picked to last.",
  () => "Clean lines keep it at home in any room, and sturdy materials keep it there for years.",
];

const closings: readonly [Sentence, ...Sentence[]] = [
  () => "A week from now you will wonder how you managed before.",
  () => "A thoughtful present, and an even better one to yourself.",
  ({ name }) => `Ready when you are: bring your ${name} home today.`,
  () => "Simple to choose, easy to live with, hard to give back.",
  () => "Try it for a month. We think it will stay.",
];

/**
 * A short product description in English, put together from sentences of our own and what the
 * prompt says of the product. `seed` decides which ones, so the same item gets the same text.
 */
export function writeDescription(options: {
  prompt: string;
  label: string | null;
  seed: string;
}): string {
  const product = readProduct(options.prompt, options.label);
  const chance = createChance(`text:${options.seed}:${options.prompt}`);
  return [
    chance.pick(headlines)(product),
    chance.pick(openings)(product),
    describeFeatures(product, chance),
    chance.pick(closings)(product),
  ].join("\n\n");
}

/** The product's name is the prompt up to its first comma or "with"; the rest are its features. */
function readProduct(prompt: string, label: string | null): Product {
  const text = prompt.slice(0, maxPromptLength).replaceAll(/\s+/g, " ").trim();
  const request = /^(?:please )?(?:write|create|make)\b.{0,60}?\b(?:for|about|of)\s+/i;
  const [head = "", ...rest] = text
    .replace(request, "")
    .split(/[,;:.!?\n•]+|\s+with\s+/i)
    .map((part) => part.trim())
    .filter(Boolean);
  const name = (label?.trim() || head || "product").replace(/^(?:an?|the|our|my)\s+/i, "");
  const features = (label && head && head !== label ? [head, ...rest] : rest)
    .flatMap((part) => part.split(/\s+and\s+/i))
    .map((part) => part.replace(/^(?:and|it has|has|is)\s+/i, "").trim())
    .filter((part) => part.length > 2 && part.length <= maxFeatureLength);
  return { name: cut(name), features: [...new Set(features)].slice(0, maxFeatures) };
}

function describeFeatures(product: Product, chance: Chance): string {
  if (product.features.length === 0) return chance.pick(plainMiddles)(product);
  const lines = product.features.map((feature) => `- ${capital(feature)}`);
  return `${chance.pick(featureLeads)}:\n${lines.join("\n")}`;
}

function cut(name: string): string {
  if (name.length <= maxSubjectLength) return name;
  return name.slice(0, maxSubjectLength).replace(/\s+\S*$/, "");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
