import { z } from "zod";

/** Where the rest of a batch is to be had. */
export const batchLinks = {
  items_url: z.string().meta({ description: "All of its items, by pages." }),
  results_url: z.string().meta({ description: "All of its results as one file." }),
  errors_url: z.string().meta({ description: "The rows that were not accepted." }),
};

/** How far a batch is. */
export const BatchProgress = z
  .strictObject({
    rows: z.int().meta({ description: "As they came, good and bad." }),
    accepted: z.int().meta({ description: "An item each." }),
    rejected: z.int().meta({ description: "They cost nothing." }),
    open: z.int().meta({ description: "Items that have not ended." }),
    completed: z.int(),
    failed: z.int(),
    canceled: z.int(),
    ...batchLinks,
  })
  .meta({ id: "BatchProgress" });
export type BatchProgress = z.infer<typeof BatchProgress>;
