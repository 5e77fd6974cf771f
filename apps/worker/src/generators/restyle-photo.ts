import { chooseArea } from "./choose-area.ts";
import { type Frame, measurePhoto, readPhoto, type Steps, shading, toPicture } from "./frame.ts";
import type { Picture } from "./generator.ts";
import type { Look } from "./looks.ts";
import { restyleLandscape } from "./restyle-landscape.ts";
import { restylePortrait } from "./restyle-portrait.ts";
import { createChance } from "./seed.ts";

/**
 * The photo in the look: its own pixels, graded, and the look's light, texture and frame. The label
 * decides which part of the photo is shown and where the light comes from. Undefined when the photo
 * can't be decoded; the signal's reason is thrown when it is aborted.
 */
export async function restylePhoto(options: {
  photo: Buffer;
  look: Look;
  label: string | null;
  steps: Steps;
}): Promise<Picture | undefined> {
  const { photo, look, label, steps } = options;
  const frame = await openPhoto(photo, label);
  if (!frame) return undefined;
  const work = {
    frame,
    steps: shading(steps),
    chance: createChance(`${look.name}:${label ?? ""}`),
  };
  const restyle = look.subject === "landscape" ? restyleLandscape : restylePortrait;
  return await toPicture(await restyle(look, work));
}

async function openPhoto(photo: Buffer, label: string | null): Promise<Frame | undefined> {
  try {
    return await readPhoto(photo, chooseArea(label, await measurePhoto(photo)));
  } catch {
    return undefined;
  }
}
