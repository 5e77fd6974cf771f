import { z } from "zod";

/**
 * What has a name (`.meta({ id })`), or null. `.nullable()` of it would say in the API's
 * description that everything of that name may be null, or that nothing may.
 */
export const orNull = <T extends z.ZodType>(schema: T) => z.union([schema, z.null()]);
