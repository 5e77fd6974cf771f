import { z } from "zod";
import { ProviderName } from "./checkout.ts";
import { page, pageQuery } from "./pagination.ts";
import { Id, Time } from "./text.ts";

/** Money or a message that could not be trusted or placed: for a person to look at. */
export const Anomaly = z
  .strictObject({
    id: Id,
    provider: ProviderName,
    mode: z.enum(["test", "live"]),
    kind: z.string().meta({
      description: "`amount_mismatch`, `paid_twice`, `unknown_order` …: see docs/payments.md.",
    }),
    about: z.string().meta({ description: "What it is about, as the provider names it." }),
    payment_id: Id.nullable(),
    data: z.record(z.string(), z.unknown()).meta({ description: "What was told of it." }),
    resolved_at: Time.nullable(),
    resolved_by: z.string().nullable(),
    created_at: Time,
  })
  .meta({ id: "Anomaly" });
export type Anomaly = z.infer<typeof Anomaly>;

export const AnomalyPage = page(Anomaly);

export const AnomalyQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  open: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "`true`: those that wait for a person; `false`: those that don't." }),
  kind: z
    .string()
    .regex(/^[a-z][\w:.-]{0,63}$/)
    .optional(),
});
export type AnomalyQuery = z.infer<typeof AnomalyQuery>;
