import type { Pricing } from "@ducat/types/pricing";
import { z } from "zod";
import { asObject } from "./facts.ts";
import type { Task } from "./generator.ts";

const Members = z.record(z.string(), z.json());

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
  extra: Members.default({}),
});
export type ModelParams = z.infer<typeof ModelParams>;

const callersOwn = ["size", "aspect_ratio", "quality"];
/** What is the style's alone, whatever it offers. */
const stylesOwn = new Set(["model", "system", "extra", "inputs"]);

/**
 * The style's parameters for a model; what is none of the above goes to its API as it is. Of the
 * caller's params only those count that the style offers under `inputs` or that have a price, and
 * that are one of its own or a usual one. Undefined when there is no model in it, or nonsense.
 */
export function readModelParams({
  style,
  params,
}: Pick<Task, "style" | "params">): ModelParams | undefined {
  const { inputs: given, ...own } = style.params;
  const inputs = asObject(given);
  const offered = [...Object.keys(asObject(inputs.properties ?? inputs)), ...(style.priced ?? [])];
  const isTaken = (name: string) =>
    Object.hasOwn(params, name) &&
    !stylesOwn.has(name) &&
    (callersOwn.includes(name) || Object.hasOwn(own, name));
  const chosen = offered.filter(isTaken).map((name) => [name, params[name]]);
  const all = { ...own, ...Object.fromEntries(chosen) };
  const known = ModelParams.safeParse(all).data;
  const rest = Object.entries(all).filter(([name]) => !Object.hasOwn(ModelParams.shape, name));
  const extra = Members.safeParse(Object.fromEntries(rest)).data;
  return known && extra && { ...known, extra: { ...extra, ...known.extra } };
}

/** The params that a price is made of. */
export function listPriced(pricing: Pricing | null): string[] {
  const tables = [...(pricing?.factors ?? []), ...(pricing?.extras ?? [])];
  return tables.map(({ param }) => param);
}
