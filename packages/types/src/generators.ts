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

/** The name of `local`, or of a provider as the workers' settings have it. */
export const GeneratorName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, "local, or a provider's name: 1 to 40 of a-z, 0-9, _ and -.");
export type GeneratorName = string;

const local = {
  image: z.looseObject({ look: z.enum(localLooks) }),
  text: z.looseObject({}),
};
/** The rest is for the model, as its API has it. */
const model = z.looseObject({ model: z.string().min(1).max(200) });

/**
 * What a style's params must be for a generator to make this kind. Which providers there are the
 * workers alone know; a style whose provider none has set up fails, and is paid back.
 */
export function findParams(generator: string, kind: "image" | "text"): z.ZodType {
  return generator === "local" ? local[kind] : model;
}

/** A style's params, whatever its generator. */
export const StyleParams = jsonObject(bounds);
