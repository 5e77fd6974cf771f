import type { Sharp } from "sharp";
import { addGrain, curve, luma, mix, parseColour, saturate, splitTone, steepen } from "./colour.ts";
import { type Frame, type Steps, shade, toFrame, toImage } from "./frame.ts";
import type { Look, LookName } from "./looks.ts";
import type { Chance } from "./seed.ts";

export type Work = { frame: Frame; steps: Steps; chance: Chance };

const recipes: Partial<Record<LookName, (look: Look, work: Work) => Promise<Sharp>>> = {
  modern_minimalist: restyleMinimalist,
  cottage_garden: restyleCottage,
  desert_xeriscape: restyleDesert,
};

/** One of the three landscape looks on a photo. */
export async function restyleLandscape(look: Look, work: Work): Promise<Sharp> {
  const recipe = recipes[look.name] ?? restyleMinimalist;
  return await recipe(look, work);
}

/** Bright, cool and nearly without colour, in the white mat of a gallery print. */
async function restyleMinimalist(look: Look, { frame, steps }: Work): Promise<Sharp> {
  const tones = { dark: parseColour("#45545e"), light: parseColour("#f6fafb"), amount: 0.35 };
  await shade(frame, steps, (pixel) => {
    saturate(pixel, 0.38);
    curve(pixel, (value) => 0.06 + 0.98 * steepen(value ** 0.72, 0.35));
    splitTone(pixel, tones);
  });
  const line = Math.max(1, Math.round(frame.width / 500));
  const mat = Math.round(Math.min(frame.width, frame.height) * 0.055);
  const calm = await toFrame(toImage(frame).median(3).sharpen({ sigma: 1.1 }));
  const lined = await toFrame(toImage(calm).extend({ ...sides(line), background: look.ink }));
  return toImage(lined).extend({ ...sides(mat), background: look.paper });
}

function sides(width: number) {
  return { top: width, bottom: width, left: width, right: width };
}

/** Lush and warm, with the glow of late afternoon and petals in the corners. */
async function restyleCottage(look: Look, { frame, steps, chance }: Work): Promise<Sharp> {
  const tones = { dark: parseColour("#3a2c4a"), light: parseColour("#ffdfe2"), amount: 0.45 };
  await shade(frame, steps, (pixel) => {
    const green = Math.max(0, pixel.g - Math.max(pixel.r, pixel.b));
    pixel.g += green * 0.1;
    saturate(pixel, 1.38);
    pixel.r *= 1.13;
    pixel.b *= 0.98;
    curve(pixel, (value) => 0.03 + steepen(value, 0.25) * 0.93);
    splitTone(pixel, tones);
  });
  const { width, height } = frame;
  const glow = toImage(frame)
    .blur(Math.max(3, width / 70))
    .ensureAlpha(0.5)
    .raw();
  const halo = { input: await glow.toBuffer(), raw: { width, height, channels: 4 } } as const;
  const soft = await toFrame(
    toImage(frame).composite([
      { ...halo, blend: "screen" },
      { input: drawPetals(look, frame, chance), blend: "over" },
    ]),
  );
  const edge = `<svg width="${width}" height="${height}"><defs><radialGradient id="e" r="0.75">
    <stop offset="0.62" stop-color="#fff" stop-opacity="0"/>
    <stop offset="1" stop-color="#fff1dc" stop-opacity="0.75"/></radialGradient></defs>
    <rect width="100%" height="100%" fill="url(#e)"/></svg>`;
  return toImage(soft).composite([{ input: Buffer.from(edge) }]);
}

/** Blossoms out of focus: large and soft in two corners, smaller towards the middle. */
function drawPetals(look: Look, { width, height }: Frame, chance: Chance): Buffer {
  const size = Math.min(width, height);
  const mirrored = chance.whole(0, 1) === 1;
  const petals = Array.from({ length: 90 }, (_, index) => {
    const low = index % 2 === 0;
    const reach = chance.between(0, 1) ** 2;
    const across = low === mirrored ? 1 - reach * 0.42 : reach * 0.42;
    const rise = chance.between(-0.02, 0.36) * (1 - reach);
    const down = low ? 1 - rise : rise;
    const radius = size * chance.between(0.008, 0.036) * (1.15 - reach);
    return drawBlossom({
      x: across * width,
      y: down * height,
      radius,
      colour: chance.pick(look.bloom),
      opacity: chance.between(0.7, 0.95),
    });
  });
  const blur = size / 420;
  return Buffer.from(`<svg width="${width}" height="${height}"><defs><filter id="f" x="-5%" y="-5%"
    width="110%" height="110%"><feGaussianBlur stdDeviation="${blur}"/></filter></defs>
    <g filter="url(#f)">${petals.join("")}</g></svg>`);
}

type Blossom = { x: number; y: number; radius: number; colour: string; opacity: number };

function drawBlossom({ x, y, radius, colour, opacity }: Blossom): string {
  const petals = Array.from({ length: 5 }, (_, index) => {
    const angle = (index * 2 * Math.PI) / 5 + x;
    const [cx, cy] = [x + Math.cos(angle) * radius * 0.7, y + Math.sin(angle) * radius * 0.7];
    return `<circle cx="${cx}" cy="${cy}" r="${radius * 0.62}" fill="${colour}"/>`;
  });
  const heart = `<circle cx="${x}" cy="${y}" r="${radius * 0.34}" fill="#f5c542"/>`;
  return `<g opacity="${opacity}">${petals.join("")}${heart}</g>`;
}

/** Greens turn to sage and ochre under a turquoise sky, in hard sun and a little dust. */
async function restyleDesert(look: Look, { frame, steps, chance }: Work): Promise<Sharp> {
  const [ochre, sage] = [parseColour("#d9ae80"), parseColour("#8f9a78")];
  const [sky, sand] = [parseColour(look.sky[0]), parseColour(look.path)];
  const [shadow, clay] = [parseColour(look.ink), parseColour("#d98a4e")];
  await shade(frame, steps, (pixel) => {
    const bright = luma(pixel);
    const green = Math.min(1, Math.max(0, pixel.g - Math.max(pixel.b, pixel.r * 0.92)) * 7);
    const blue = Math.min(1, Math.max(0, pixel.b - pixel.r) * 3);
    const [r, g, b] = bright > 0.34 ? ochre : sage;
    const level = 0.25 + bright * 1.35;
    mix(pixel, [r * level, g * level, b * level], green * 0.9);
    mix(pixel, sky, blue * 0.5);
    pixel.r *= 1.12;
    pixel.b *= 0.86;
    mix(pixel, clay, 0.75 * bright * (1 - bright));
    curve(pixel, (value) => steepen(value * 1.06, 0.6));
    mix(pixel, shadow, (1 - bright) ** 4 * 0.45);
    mix(pixel, sand, pixel.y ** 3 * 0.25 + 0.08);
    addGrain(pixel, chance.between(-0.035, 0.035));
  });
  const { width, height } = frame;
  const side = chance.pick(["12%", "88%"]);
  const sun = `<svg width="${width}" height="${height}"><defs>
    <radialGradient id="s" cx="${side}" cy="2%" r="0.85"><stop offset="0" stop-color="#fff0c0"/>
    <stop offset="0.25" stop-color="#ffb860" stop-opacity="0.5"/>
    <stop offset="1" stop-color="#ff9040" stop-opacity="0"/></radialGradient></defs>
    <rect width="100%" height="100%" fill="url(#s)"/></svg>`;
  const sharpened = toImage(frame).sharpen({ sigma: 1.4 });
  return sharpened.composite([{ input: Buffer.from(sun), blend: "screen" }]);
}
