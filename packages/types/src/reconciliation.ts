import { z } from "zod";
import { ProviderName } from "./checkout.ts";
import { page, pageQuery } from "./pagination.ts";
import { Id, Moment, Time } from "./text.ts";

const Status = z.enum(["waiting", "running", "clean", "differs", "failed"]).meta({
  description: "`failed`: the provider or the books could not be asked; the next run goes on.",
});

export const Difference = z
  .strictObject({
    kind: z.enum([
      "missing_payment",
      "missing_invoice",
      "missing_reversal",
      "dispute_differs",
      "subscription_differs",
      "amount_differs",
      "unknown_order",
      "not_at_provider",
      "method_differs",
    ]),
    provider: ProviderName,
    about: z.string().meta({ description: "What it is about, as the provider names it." }),
    payment_id: Id.optional(),
    repaired: z.boolean().meta({ description: "Otherwise a person has to look at it." }),
    detail: z.string(),
  })
  .meta({ id: "Difference" });

/** One run: our books against one provider's. */
export const Reconciliation = z
  .strictObject({
    id: Id,
    provider: ProviderName,
    status: Status,
    since: Time,
    facts: z.int().min(0).meta({ description: "How much the provider told." }),
    differences: z.array(Difference).meta({ description: "1000 at most." }),
    error: z.string().nullable(),
    created_at: Time,
    started_at: Time.nullable(),
    finished_at: Time.nullable(),
  })
  .meta({ id: "Reconciliation" });
export type Reconciliation = z.infer<typeof Reconciliation>;

export const ReconciliationPage = page(Reconciliation);
export const ReconciliationQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
  provider: ProviderName.optional(),
  status: Status.optional(),
});

export const Reconcile = z
  .strictObject({
    provider: ProviderName.optional().meta({ description: "Unnamed, all that there are." }),
    since: Moment.optional().meta({ description: "Without it: since the last good run." }),
  })
  .meta({ id: "Reconcile", examples: [{ since: "2026-11-01T00:00:00Z" }] });

export const RequestedRuns = z
  .strictObject({ data: z.array(Reconciliation) })
  .meta({ id: "RequestedRuns" });
