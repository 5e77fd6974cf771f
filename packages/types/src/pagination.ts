import { z } from "zod";

/** The part of every list's query that turns pages. */
export const pageQuery = {
  cursor: z.string().min(1).max(200).optional().meta({ description: "`next_cursor` of a page." }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  count: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "`true` adds `total`: how many there are on all pages." }),
};

/** A page of a list; `next_cursor` is null on the last one. */
export const page = <T extends z.ZodType>(entry: T) =>
  z.strictObject({
    data: z.array(entry),
    next_cursor: z.string().nullable(),
    total: z.int().min(0).optional(),
  });
