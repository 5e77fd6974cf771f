import { listAnomalies, type Anomaly as Row, resolveAnomaly } from "@ducat/db/payment-anomalies";
import type { Anomaly } from "@ducat/types/anomalies";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/anomalies.ts";
import { toMoment } from "../show-payment.ts";

/** For support: what could not be trusted or placed, and that somebody has dealt with it. */
export const anomalyRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const { limit, cursor, open, kind } = c.req.valid("query");
    const beforeId = readCursor("anomaly", cursor);
    const filter = { kind, beforeId, ...(open !== undefined && { open: open === "true" }) };
    const found = await listAnomalies(db, { ...filter, limit: limit + 1 });
    const toCursor = ({ id }: Row) => makeCursor("anomaly", id);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(show), next_cursor }, 200);
  });

  app.openapi(operations.resolve, async (c) => {
    const anomaly = await resolveAnomaly(db, c.req.valid("param").id, auditOf(c));
    return c.json(show(anomaly), 200);
  });

  return app;
};

const show = ({ resolved_at, created_at, ...row }: Row): Anomaly => ({
  ...row,
  resolved_at: toMoment(resolved_at),
  created_at: created_at.toISOString(),
});
