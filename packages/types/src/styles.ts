import { z } from "zod";
import { orNull } from "./or-null.ts";
import { Pricing } from "./pricing.ts";
import { StyleInputs } from "./style-inputs.ts";

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
    pricing: orNull(Pricing).meta({ description: "What an item costs by what is asked for." }),
    cache_days: z.int().meta({
      description: "For so long a result answers the same request of its account again; 0: never.",
    }),
  })
  .meta({ id: "Style" });
export type Style = z.infer<typeof Style>;

/** A style with the params that its requests may have. */
export const StyleDetail = Style.extend({
  inputs: orNull(StyleInputs).meta({ description: "null: any params are taken." }),
}).meta({ id: "StyleDetail" });
export type StyleDetail = z.infer<typeof StyleDetail>;

export const StyleList = z.strictObject({ data: z.array(Style) }).meta({ id: "StyleList" });
