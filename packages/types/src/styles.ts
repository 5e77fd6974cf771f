import { z } from "zod";
import { Pricing } from "./pricing.ts";

export const Style = z
  .strictObject({
    id: z.string(),
    version: z.int(),
    name: z.string(),
    description: z.string(),
    category: z.string(),
    kind: z.enum(["image", "text"]),
    cost: z.int().min(0).meta({
      description: "Credits per item; with a pricing, of a request without params.",
    }),
    deadline_s: z.int(),
    pricing: Pricing.nullable().meta({ description: "What an item costs by what is asked for." }),
    cache_days: z.int().meta({
      description: "For so long a result answers the same request of its account again; 0: never.",
    }),
  })
  .meta({ id: "Style" });
export type Style = z.infer<typeof Style>;

export const StyleList = z.strictObject({ data: z.array(Style) });
