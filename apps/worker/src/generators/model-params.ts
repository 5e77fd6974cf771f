import { z } from "zod";
import { asObject } from "./facts.ts";
import type { Task } from "./generator.ts";

/** What a style tells every model provider; each takes what it knows. */
const ModelParams = z.object({
  model: z.string().min(1).max(200),
  /** Instructions beside the prompt, for texts. */
  system: z.string().max(20_000).optional(),
  temperature: z.number().min(0).max(2).optional(),
  max_output_tokens: z.int().min(1).max(1_000_000).optional(),
  size: z
    .string()
    .regex(/^\d{2,5}x\d{2,5}$/)
    .optional(),
  aspect_ratio: z
    .string()
    .regex(/^\d{1,2}:\d{1,2}$/)
    .optional(),
  quality: z.string().max(40).optional(),
  /** Members of the provider's own request, as they are. */
  extra: z.record(z.string(), z.json()).default({}),
});
export type ModelParams = z.infer<typeof ModelParams>;

const callersOwn = ["size", "aspect_ratio", "quality"] as const;

/**
 * The style's parameters for a model. Of the caller's params only those count that the style offers
 * under `inputs`, as they are in its price. Undefined when there is no model in it, or nonsense.
 */
export function readModelParams({ style, params }: Pick<Task, "style" | "params">) {
  const inputs = asObject(style.params.inputs);
  const offered = asObject(inputs.properties ?? inputs);
  const chosen = callersOwn.filter((name) => name in offered && params[name] !== undefined);
  const given = Object.fromEntries(chosen.map((name) => [name, params[name]]));
  return ModelParams.safeParse({ ...style.params, ...given }).data;
}
