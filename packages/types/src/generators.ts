import { z } from "zod";
import { jsonObject } from "./json-object.ts";

/** How the generator `local` can make a picture look. */
export const localLooks = [
  "modern_minimalist",
  "cottage_garden",
  "desert_xeriscape",
  "studio_noir",
  "vintage_film",
  "pop_editorial",
] as const;
export type LocalLook = (typeof localLooks)[number];

const bounds = { bytes: 16_384, members: 50, depth: 8 };

/**
 * What workers can make things with: for each generator and kind what a style's params must be.
 * A kind that is missing is one that the generator can't make.
 */
export const generators = {
  local: {
    image: z.looseObject({ look: z.enum(localLooks) }),
    text: z.looseObject({}),
  },
} as const satisfies Record<string, Partial<Record<"image" | "text", z.ZodType>>>;

export type GeneratorName = keyof typeof generators;
export const GeneratorName = z.enum(Object.keys(generators) as [GeneratorName]);

/** A style's params, whatever its generator. */
export const StyleParams = jsonObject(bounds);
