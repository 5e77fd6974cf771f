import type { ProviderName } from "@ducat/billing/provider";
import {
  listReconciliations,
  type Reconciliation as Row,
  requestReconciliation,
} from "@ducat/db/reconciliations";
import { DomainError } from "@ducat/types/errors";
import type { Reconciliation } from "@ducat/types/reconciliation";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/reconciliation.ts";
import { toMoment } from "../show-payment.ts";

/** For whoever runs this: what comparing the books with the providers' has found. */
export const reconciliationRoutes = ({ db, payments: { providers, mode } }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid("query");
    const beforeId = readCursor("reconciliation", cursor);
    const found = await listReconciliations(db, { ...filter, beforeId, limit: limit + 1 });
    const toCursor = ({ id }: Row) => makeCursor("reconciliation", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(show), next_cursor }, 200);
  });

  app.openapi(operations.request, async (c) => {
    const { provider: named, since } = c.req.valid("json");
    const all = [...providers.keys()].filter((name) => named === undefined || name === named);
    if (all.length === 0) throw new DomainError("not_found", { detail: "There is no provider." });
    const ask = (provider: ProviderName) =>
      requestReconciliation(db, { provider, mode, since, audit: auditOf(c) });
    const data = await Promise.all(all.map(ask));
    return c.json({ data: data.map(show) }, 202);
  });

  return app;
};

function show(row: Row): Reconciliation {
  const { id, status, facts, differences, error } = row;
  return {
    id,
    provider: row.provider as ProviderName,
    status,
    since: row.since.toISOString(),
    facts,
    differences: differences as Reconciliation["differences"],
    error,
    created_at: row.created_at.toISOString(),
    started_at: toMoment(row.started_at),
    finished_at: toMoment(row.finished_at),
  };
}
