import { z } from "zod";

export const Style = z
  .strictObject({
    id: z.string(),
    version: z.int(),
    name: z.string(),
    description: z.string(),
    category: z.string(),
    kind: z.enum(["image", "text"]),
    cost: z.int().min(0).meta({ description: "Credits per item." }),
    deadline_s: z.int(),
  })
  .meta({ id: "Style" });
export type Style = z.infer<typeof Style>;

export const StyleList = z.strictObject({ data: z.array(Style) });
