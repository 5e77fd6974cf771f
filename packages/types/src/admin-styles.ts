import { z } from "zod";
import { GeneratorName, generators, StyleParams } from "./generators.ts";
import { page, pageQuery } from "./pagination.ts";
import { Style } from "./styles.ts";
import { Time, text } from "./text.ts";

const StyleId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_]{0,63}$/, "1 to 64 of a-z, 0-9 and _, as in modern_minimalist.");

const content = {
  name: text(100),
  description: text(500),
  category: z.string().regex(/^[a-z0-9][a-z0-9_]{0,63}$/, "As in landscape."),
  kind: z.enum(["image", "text"]),
  generator: GeneratorName,
  prompt: text(8_000).meta({ description: "`{label}` stands for the item's label." }),
  params: StyleParams.default({}).meta({ description: "The generator's own." }),
  cost: z.int().min(0).max(1_000_000).meta({ description: "Credits per item." }),
  deadline_s: z.int().min(1).max(86_400).default(900),
  max_attempts: z.int().min(1).max(20).default(3),
};

type Made = { kind: "image" | "text"; generator: GeneratorName; params: unknown };

/** A generator says itself what its params are. */
function checkParams({ kind, generator, params }: Made, context: z.RefinementCtx): void {
  const kinds: Partial<Record<"image" | "text", z.ZodType>> = generators[generator];
  const schema = kinds[kind];
  if (!schema) {
    const message = `The generator ${generator} makes no ${kind}.`;
    context.addIssue({ code: "custom", path: ["generator"], message });
    return;
  }
  for (const issue of schema.safeParse(params).error?.issues ?? []) {
    const path = ["params", ...issue.path];
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
  .superRefine(checkParams)
  .meta({ id: "PublishStyle", examples: [example] });

export const NewStyle = z
  .strictObject({ id: StyleId, ...content })
  .superRefine(checkParams)
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
  created_at: Time,
  published_by: z.string().nullable().meta({
    description: "An operator, whose word a new release leaves alone; null: it came with one.",
  }),
}).meta({ id: "StyleVersion" });
export type StyleVersion = z.infer<typeof StyleVersion>;

export const StyleVersionList = z.strictObject({ data: z.array(StyleVersion) });
export const StyleVersionPage = page(StyleVersion);
export const StyleVersionQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
});

/** The number of a version, in a path. */
export const VersionNumber = z.coerce.number().int().min(1).max(2_147_483_647);
