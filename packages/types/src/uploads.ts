import { z } from "zod";
import { Id, Time } from "./text.ts";

/** What a picture became: re-encoded, upright and without metadata. */
export const Upload = z
  .strictObject({
    id: Id,
    type: z.literal("image/webp"),
    width: z.int().min(1),
    height: z.int().min(1),
    size: z.int().min(1).meta({ description: "Bytes." }),
    expires_at: Time,
  })
  .meta({ id: "Upload" });
export type Upload = z.infer<typeof Upload>;
