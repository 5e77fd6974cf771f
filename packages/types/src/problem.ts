import { z } from "zod";
import { type ErrorCode, errors } from "./errors.ts";

const codes = Object.keys(errors) as [ErrorCode, ...ErrorCode[]];

/** What every refusal looks like (RFC 9457); some codes add members, see docs/errors.md. */
export const Problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    code: z.enum(codes),
    detail: z.string().optional(),
    request_id: z.string(),
    errors: z
      .array(z.strictObject({ pointer: z.string(), detail: z.string() }))
      .optional()
      .meta({ description: "JSON pointers into the body; `#/query/…` and `#/header/…` outside." }),
  })
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;
