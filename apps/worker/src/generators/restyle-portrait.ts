import type { Sharp } from "sharp";
import {
  addGrain,
  curve,
  luma,
  mix,
  parseColour,
  type Rgb,
  saturate,
  splitTone,
  steepen,
  vignette,
} from "./colour.ts";
import { type Frame, type Pixel, shade, toFrame, toImage } from "./frame.ts";
import type { Look, LookName } from "./looks.ts";
import type { Work } from "./restyle-landscape.ts";

const recipes: Partial<Record<LookName, (look: Look, work: Work) => Promise<Sharp>>> = {
  studio_noir: restyleNoir,
  vintage_film: restyleVintage,
  pop_editorial: restylePop,
};

/** One of the three portrait and fashion looks on a photo. */
export async function restylePortrait(look: Look, work: Work): Promise<Sharp> {
  const recipe = recipes[look.name] ?? restyleNoir;
  return await recipe(look, work);
}

/** Black and white, a lamp on the face and the light of a blind across it. */
async function restyleNoir(_: Look, { frame, steps, chance }: Work): Promise<Sharp> {
  const lamp = { x: chance.between(0.42, 0.58), y: chance.between(0.36, 0.46) };
  const slant = chance.pick([-0.22, 0.22]);
  await shade(frame, steps, (pixel) => {
    const grey = steepen(steepen(0.5 * pixel.r + 0.42 * pixel.g + 0.08 * pixel.b, 1), 0.35);
    const slat = Math.sin((pixel.y + slant * pixel.x) * 44);
    const value = grey * (0.97 + 0.15 * Math.max(-1, Math.min(1, slat * 2)));
    mix(pixel, [value, value, value * 1.02], 1);
    vignette(pixel, lamp, 1.15);
    addGrain(pixel, chance.between(-0.06, 0.06));
  });
  const bar = Math.round(frame.height * 0.045);
  return toImage(frame)
    .sharpen({ sigma: 1.2 })
    .extend({ top: bar, bottom: bar, background: "#000000" });
}

/** A print from an old album: faded, warm, grainy, with a light leak and a paper edge. */
async function restyleVintage(look: Look, { frame, steps, chance }: Work): Promise<Sharp> {
  const tones = { dark: parseColour("#274a52"), light: parseColour("#ffdf9e"), amount: 0.5 };
  const leak = parseColour("#ff7a2e");
  const leftward = chance.whole(0, 1) === 1;
  await shade(frame, steps, (pixel) => {
    saturate(pixel, 0.72);
    curve(pixel, (value) => 0.14 + 0.76 * steepen(value, 0.35));
    splitTone(pixel, tones);
    pixel.r *= 1.05;
    pixel.b *= 0.88;
    vignette(pixel, { x: 0.5, y: 0.5 }, 0.42);
    const near = Math.max(0, 1 - (leftward ? pixel.x : 1 - pixel.x) * 3.2);
    mix(pixel, leak, near * near * (0.55 + 0.25 * Math.sin(pixel.y * 5)));
    addGrain(pixel, chance.between(-0.055, 0.055));
  });
  const edge = Math.round(Math.min(frame.width, frame.height) * 0.05);
  const scratches = { input: drawScratches(frame, chance), blend: "screen" } as const;
  const print = await toFrame(toImage(frame).blur(0.7).composite([scratches]));
  const paper = { top: edge, left: edge, right: edge, bottom: edge * 3, background: look.paper };
  return toImage(print).extend(paper);
}

function drawScratches({ width, height }: Frame, chance: Work["chance"]): Buffer {
  const lines = Array.from({ length: 7 }, () => {
    const x = chance.between(0, width);
    const [top, length] = [chance.between(0, height), chance.between(0.1, 0.6) * height];
    const bend = chance.between(-6, 6);
    return `<path d="M${x} ${top}q${bend} ${length / 2} 0 ${length}" stroke="#fff3d6"
      stroke-opacity="${chance.between(0.15, 0.5)}" stroke-width="1.2" fill="none"/>`;
  });
  return Buffer.from(`<svg width="${width}" height="${height}">${lines.join("")}</svg>`);
}

/** A magazine cover: five flat inks, dots between them, hard outlines and a coloured frame. */
async function restylePop(look: Look, { frame, steps }: Work): Promise<Sharp> {
  const flat = await toFrame(toImage(frame).median(5).normalise());
  const lines = await drawOutlines(flat);
  const inks = [look.ink, look.ground, look.roof, look.sky[1], look.paper].map(parseColour);
  const cell = Math.max(4, flat.width / 150);
  const size = { x: flat.width / cell, y: flat.height / cell };
  await shade(flat, steps, (pixel) => printInks(pixel, inks, size));
  const edge = Math.round(Math.min(flat.width, flat.height) * 0.04);
  const printed = await toFrame(toImage(flat).composite([{ ...lines, blend: "multiply" }]));
  const border = { top: edge, left: edge, right: edge, bottom: edge };
  return toImage(printed).extend({ ...border, background: look.wall });
}

/** The ink of the pixel's brightness; between two inks, dots of the one on the other. */
function printInks(pixel: Pixel, inks: Rgb[], size: { x: number; y: number }): void {
  const level = Math.min(0.9999, Math.max(0, luma(pixel))) * (inks.length - 1);
  const step = Math.floor(level);
  const across = (pixel.x * size.x + pixel.y * size.y) * Math.PI;
  const down = (pixel.x * size.x - pixel.y * size.y) * Math.PI;
  const dot = 0.5 + 0.25 * (Math.sin(across) + Math.sin(down));
  // Only the middle of a step is dotted; near an ink the area stays flat.
  const share = steepen((level - step - 0.25) * 2, 1);
  mix(pixel, inks[share > dot ? step + 1 : step] ?? [0, 0, 0], 1);
}

/** Black lines on white where the picture changes sharply. */
async function drawOutlines(frame: Frame) {
  const kernel = { width: 3, height: 3, kernel: [-1, -1, -1, -1, 8, -1, -1, -1, -1] };
  const lines = toImage(frame)
    .greyscale()
    .blur(1.3)
    .convolve(kernel)
    .linear(7, -25)
    .negate()
    .blur(0.6);
  const { data, width, height } = await toFrame(lines);
  return { input: data, raw: { width, height, channels: 3 } } as const;
}
