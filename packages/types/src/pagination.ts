import { z } from "zod";
import { Moment } from "./text.ts";

/** The part of every list's query that turns pages. */
export const pageQuery = {
  cursor: z.string().min(1).max(200).optional().meta({ description: "`next_cursor` of a page." }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  count: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "`true` adds `total`: how many there are on all pages." }),
};

/** The part of a query that names a span of time. */
export const spanQuery = {
  from: Moment.optional().meta({ description: "Included." }),
  to: Moment.optional().meta({ description: "Not included." }),
};

/** The part of a list's query that is about its CSV, which is all of the list. */
export const csvQuery = {
  bom: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "CSV only. `true`: begin with a byte order mark, for Excel." }),
};

/** A whole number in a query, as people write one. */
const wholeNumber = z
  .string()
  .regex(/^-?\d{1,13}$/, "A whole number.")
  .transform(Number);

/** The part of a list's query that bounds amounts. */
export const amountQuery = {
  min_amount: wholeNumber.optional().meta({ description: "Included." }),
  max_amount: wholeNumber.optional().meta({ description: "Included." }),
};

/** A page of a list, named after its entry; `next_cursor` is null on the last one. */
export const page = <T extends z.ZodType>(entry: T) => {
  const schema = z.strictObject({
    data: z.array(entry),
    next_cursor: z.string().nullable(),
    total: z.int().min(0).optional(),
  });
  const name = entry.meta()?.id;
  return name === undefined ? schema : schema.meta({ id: `${name}Page` });
};
