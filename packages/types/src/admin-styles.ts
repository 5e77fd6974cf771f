import { z } from "zod";
import { findParams, GeneratorName, StyleParams } from "./generators.ts";
import { page, pageQuery } from "./pagination.ts";
import { Pricing, quotePrice } from "./pricing.ts";
import { findTemplateFault } from "./prompt-template.ts";
import { readStyleInputs, StyleInputs } from "./style-inputs.ts";
import { Style } from "./styles.ts";
import { Time, text } from "./text.ts";

const StyleId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_]{0,63}$/, "1 to 64 of a-z, 0-9 and _, as in modern_minimalist.");

/** Another generator for the same style, asked when those before it are away. */
const StyleFallback = z
  .strictObject({
    generator: GeneratorName,
    params: StyleParams.default({}),
    pricing: Pricing.optional().meta({ description: "Its own; never above what was set aside." }),
  })
  .meta({ id: "StyleFallback" });

const content = {
  name: text(100),
  description: text(500),
  category: z.string().regex(/^[a-z0-9][a-z0-9_]{0,63}$/, "As in landscape."),
  kind: z.enum(["image", "text"]),
  generator: GeneratorName,
  prompt: text(8_000).meta({
    description: "`{label}`, `{input}` and `{params.name}` stand for what a request says.",
  }),
  params: StyleParams.default({}).meta({
    description: "The generator's own; `inputs` among them says which params a request may have.",
  }),
  cost: z.int().min(0).max(1_000_000).meta({ description: "Credits per item." }),
  deadline_s: z.int().min(1).max(86_400).default(900),
  max_attempts: z.int().min(1).max(20).default(3),
  pricing: Pricing.nullable().default(null).meta({ description: "Without it: `cost`." }),
  fallbacks: z.array(StyleFallback).max(5).default([]),
  cache_days: z.int().min(0).max(365).default(0).meta({
    description: "For so long a result answers the same request of its account again.",
  }),
};

type Model = { generator: GeneratorName; params: unknown };
type Made = Model & {
  kind: "image" | "text";
  prompt: string;
  params: Record<string, unknown>;
  cost: number;
  pricing: Pricing | null;
  fallbacks: Model[];
};

/** What the members say only together. */
function checkStyle(style: Made, context: z.RefinementCtx): void {
  checkModel(style, style, { context, path: [] });
  checkInputs(style, context);
  const named = [style.generator];
  for (const [index, fallback] of style.fallbacks.entries()) {
    if (named.includes(fallback.generator)) {
      const path = ["fallbacks", index, "generator"];
      context.addIssue({ code: "custom", path, message: "No provider is asked twice." });
    }
    named.push(fallback.generator);
    checkModel(style, fallback, { context, path: ["fallbacks", index] });
  }
  const fault = findTemplateFault(style.prompt);
  if (fault) context.addIssue({ code: "custom", path: ["prompt"], message: fault });
  // One with faults of its own can't be added up.
  if (!Pricing.safeParse(style.pricing).success || !style.pricing) return;
  const least = quotePrice(style.pricing, { params: {} }).most;
  if (least === style.cost) return;
  const message = `By its pricing it is ${least} for a request without params.`;
  context.addIssue({ code: "custom", path: ["cost"], message });
}

/** A param with a price that no request may have is a mistake. */
function checkInputs({ params, pricing }: Made, context: z.RefinementCtx): void {
  if (params.inputs === undefined) return;
  const { error } = StyleInputs.safeParse(params.inputs);
  for (const { path, message } of error?.issues ?? []) {
    context.addIssue({ code: "custom", path: ["params", "inputs", ...path], message });
  }
  const inputs = readStyleInputs(params.inputs);
  if (!inputs || inputs.additionalProperties || !Pricing.safeParse(pricing).success) return;
  for (const members of ["factors", "extras"] as const) {
    for (const [at, { param }] of (pricing?.[members] ?? []).entries()) {
      if (param === "input.type" || Object.hasOwn(inputs.properties, param)) continue;
      const path = ["pricing", members, at, "param"];
      context.addIssue({ code: "custom", path, message: "The inputs have no such param." });
    }
  }
}

type Place = { context: z.RefinementCtx; path: (string | number)[] };

/** A generator says itself what its params are. */
function checkModel({ kind }: Made, { generator, params }: Model, { context, path: at }: Place) {
  const { error } = findParams(generator, kind).safeParse(params);
  for (const issue of error?.issues ?? []) {
    const path = [...at, "params", ...issue.path];
    context.addIssue({ code: "custom", path, message: issue.message });
  }
}

const example = {
  name: "Night garden",
  description: "Lanterns, deep blues and warm windows.",
  category: "landscape",
  kind: "image",
  generator: "local",
  prompt: "Restyle this outdoor space as a garden at night. {label}",
  params: { look: "modern_minimalist" },
  cost: 2,
};

export const PublishStyle = z
  .strictObject(content)
  .superRefine(checkStyle)
  .meta({ id: "PublishStyle", examples: [example] });

export const NewStyle = z
  .strictObject({ id: StyleId, ...content })
  .superRefine(checkStyle)
  .meta({ id: "NewStyle", examples: [{ id: "night_garden", ...example }] });

export const RestoreStyle = z
  .strictObject({ version: z.int().min(1).max(2_147_483_647) })
  .meta({ id: "RestoreStyle", examples: [{ version: 1 }] });

/** A version of a preset, with what only operators see. */
export const StyleVersion = Style.extend({
  is_current: z.boolean(),
  is_active: z.boolean().meta({ description: "On offer, where it is the current one." }),
  generator: z.string(),
  prompt: z.string(),
  params: z.record(z.string(), z.unknown()),
  max_attempts: z.int(),
  fallbacks: z.array(
    z.strictObject({
      generator: z.string(),
      params: z.record(z.string(), z.unknown()),
      pricing: Pricing.optional(),
    }),
  ),
  created_at: Time,
  published_by: z.string().nullable().meta({
    description: "An operator, whose word a new release leaves alone; null: it came with one.",
  }),
}).meta({ id: "StyleVersion" });
export type StyleVersion = z.infer<typeof StyleVersion>;

export const StyleVersionList = z
  .strictObject({ data: z.array(StyleVersion) })
  .meta({ id: "StyleVersionList" });
export const StyleVersionPage = page(StyleVersion);
export const StyleVersionQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
});

/** The number of a version, in a path. */
export const VersionNumber = z.coerce.number().int().min(1).max(2_147_483_647);
