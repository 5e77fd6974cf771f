import type { ProductPhrases } from "./product-phrases.ts";
import { toCapital } from "./tidy-words.ts";

export const englishProduct: ProductPhrases = {
  product: "product",
  headlines: [
    ({ name }) => `${toCapital(name)}, done properly`,
    ({ name }) => `${toCapital(name)} for every single day`,
    ({ name }) => `Your next ${name}`,
    ({ name }) => `${toCapital(name)}: less fuss, more joy`,
    ({ name }) => `Say hello to your new ${name}`,
  ],
  openings: {
    plain: [
      ({ name }) =>
        "Some things you buy once and then stop thinking about. That is the idea behind our " +
        `${name}: quiet, dependable, and there whenever you need it.`,
      ({ name }) =>
        `We asked people what bothered them most about their old ${name}, and then we fixed it. ` +
        "What is left feels right from the first minute and still does after a few hundred.",
      ({ name }) =>
        `Good design makes the day a little easier. Our ${name} started there, with the way ` +
        "people really live: nothing to learn, nothing to put up with.",
      ({ name }) =>
        `Not every ${name} story begins with a workshop and a stubborn idea. This one does: ` +
        "honest materials, careful work, and no detail that doesn't earn its place.",
    ],
    warm: [
      ({ name }) =>
        `There is a small joy in things that are made with care. Our ${name} was meant to be ` +
        "part of it: something to look forward to, day after day.",
    ],
    formal: [
      ({ name }) =>
        `We are pleased to present our ${name}, designed with attention to quality, durability ` +
        "and ease of use.",
    ],
    playful: [
      ({ name }) =>
        `Be warned: once you have met our ${name}, whatever you had before will be jealous. ` +
        "Rightly so.",
    ],
    luxury: [
      ({ name }) =>
        `Little needs to be said of our ${name}: restrained, exact, and finished with uncommon ` +
        "patience.",
    ],
  },
  featureLeads: ["What you get", "What makes the difference", "In detail"],
  middles: [
    () => "The shape is simple, the finish is careful, and the materials were picked to last.",
    () => "Clean lines keep it at home in any room, and sturdy materials keep it there for years.",
  ],
  details: [
    () =>
      "Look closely and you will see the care that went in; use it every day and you will feel " +
      "that care come back. Nothing was added for show, and nothing was left out to save a step.",
    ({ name }) =>
      `We could have made our ${name} louder. We made it better instead, a little at a time, ` +
      "until there was nothing left to take away.",
  ],
  closings: {
    plain: [
      () => "A week from now you will wonder how you managed before.",
      () => "A thoughtful present, and an even better one to yourself.",
      ({ name }) => `Ready when you are: bring your ${name} home today.`,
      () => "Simple to choose, easy to live with, hard to give back.",
      () => "Try it for a month. We think it will stay.",
    ],
    warm: [() => "Made for you, and for the people you love."],
    formal: [() => "We shall be glad to answer any question that you may have."],
    playful: [() => "Go on. You know you want to."],
    luxury: [() => "For those who notice."],
  },
  category: (name) => `One of our picks in ${name}.`,
  request: /^(?:please )?(?:write|create|make)\b.{0,60}?\b(?:for|about|of)\s+/i,
  separator: /[,;:.!?\n•]+(?!\d)|\s+with\s+/i,
  and: /\s+and\s+/i,
  article: /^(?:an?|the|our|my)\s+/i,
  filler: /^(?:and|it has|has|is)\s+/i,
};
