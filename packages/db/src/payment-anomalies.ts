import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";
import type { Outcome } from "./outcome.ts";
import type { Mode, ProviderName } from "./payments.ts";

export type Anomaly = {
  id: string;
  provider: ProviderName;
  mode: Mode;
  kind: string;
  /** What it is about, as the provider names it. */
  about: string;
  data: Record<string, unknown>;
  payment_id: string | null;
  resolved_at: Date | null;
  resolved_by: string | null;
  created_at: Date;
};

/**
 * Keeps what could not be trusted or placed, once per provider, mode, kind and what it is about.
 * Returns refused; known when a person has resolved it, or when what could not be placed (kind
 * unknown_order) has meanwhile settled a payment under this effect key.
 */
export async function reportAnomaly(
  db: Db,
  anomaly: Pick<Anomaly, "provider" | "mode" | "kind" | "about" | "data"> & {
    paymentId?: string | undefined;
    effectKey?: string | undefined;
  },
): Promise<Outcome> {
  const [row] = await ask(db<{ outcome: Outcome }[]>`
    SELECT ducat.report_anomaly(${anomaly.provider}, ${anomaly.mode}, ${anomaly.kind},
      ${anomaly.about}, ${JSON.stringify(anomaly.data)}::text::jsonb,
      ${anomaly.paymentId ?? null}, ${anomaly.effectKey ?? null}) AS outcome`);
  return row?.outcome ?? "refused";
}

export type AnomalyFilter = {
  /** Only those that wait for a person, or only those that don't any more. */
  open?: boolean | undefined;
  kind?: string | undefined;
  /** Only those kept before this one (an id: ids sort by creation). */
  beforeId?: string | undefined;
  limit: number;
};

/** Anomalies of every account, newest first, 101 at most. For administrators. */
export function listAnomalies(db: Db, filter: AnomalyFilter): Promise<Anomaly[]> {
  return ask(db<Anomaly[]>`
    SELECT * FROM ducat.list_anomalies(${filter.limit}, ${filter.open ?? null},
      ${filter.kind ?? null}, ${filter.beforeId ?? null})`);
}

/** Says that a person has dealt with an anomaly, with an audit line. Errors: not_found. */
export async function resolveAnomaly(db: Db, id: string, audit: Audit): Promise<Anomaly> {
  const [row] = await ask(db<Anomaly[]>`
    SELECT * FROM ducat.resolve_anomaly(${id}, ${JSON.stringify(audit)}::text::jsonb)`);
  if (!row) throw new Error("resolve_anomaly returned no row");
  return row;
}
