import sharp from "sharp";
import { addGrain, mix, parseColour } from "./colour.ts";
import { drawFigure } from "./draw-figure.ts";
import { drawGarden } from "./draw-garden.ts";
import { type Steps, shade, shading, toFrame, toImage, toPicture } from "./frame.ts";
import type { Picture } from "./generator.ts";
import type { Look } from "./looks.ts";
import { createChance } from "./seed.ts";

/** What a drawing is made of; its words choose what is in it. */
export type Drawing = { look: Look; chance: ReturnType<typeof createChance>; words: string };

/**
 * A picture from a prompt, the same for the same prompt, look and label: a garden for the landscape
 * looks, a figure for the portrait ones. No model understands the prompt here: some words (night,
 * pool, mountain, hat, …) put things into the picture, and its hash decides the rest.
 */
export async function drawPicture(options: {
  prompt: string;
  look: Look;
  label: string | null;
  steps: Steps;
}): Promise<Picture> {
  const { look, label, steps } = options;
  const words = `${options.prompt} ${label ?? ""}`.toLowerCase();
  const chance = createChance(`picture:${look.name}:${words}`);
  const draw = look.subject === "landscape" ? drawGarden : drawFigure;
  const frame = await toFrame(sharp(Buffer.from(draw({ look, chance, words }))));
  const warmth = parseColour(chance.pick(["#ffb070", "#7aa0ff", "#ffe0a0", "#c890ff"]));
  await shade(frame, shading(steps), (pixel) => {
    if (look.name !== "studio_noir") mix(pixel, warmth, 0.05);
    addGrain(pixel, chance.between(-0.025, 0.025));
  });
  return await toPicture(toImage(frame));
}
