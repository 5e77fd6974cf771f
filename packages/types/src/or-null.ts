import { z } from "zod";

/**
 * What has a name (`.meta({ id })`), or null. `.nullable()` of it would say in the API's
 * description that everything of that name may be null, or that nothing may; and of a union that
 * is no lazy one the members would stand there, without its name.
 */
export const orNull = <T extends z.ZodType>(schema: T) => z.union([z.lazy(() => schema), z.null()]);
