import { createRoute, z } from "@hono/zod-openapi";
import { answer, problems } from "../describe-route.ts";

const tags = ["Operations"];
const open = { tags, security: [] };

const Check = z
  .strictObject({
    status: z.enum(["ok", "degraded", "failed"]),
    detail: z.string().optional(),
  })
  .meta({ id: "Check" });
const readiness = {
  status: z.enum(["ok", "degraded", "unavailable"]),
  checks: z.strictObject({ process: Check, database: Check, queue: Check }),
};
const Readiness = z.strictObject(readiness).meta({ id: "Readiness" });
const Health = z
  .strictObject({
    ...readiness,
    version: z.string(),
    mode: z.enum(["test", "live"]),
    uptime_s: z.int(),
  })
  .meta({ id: "Health" });
const About = z
  .strictObject({ name: z.string(), version: z.string(), docs: z.string() })
  .meta({ id: "About" });
const Liveness = z.strictObject({ status: z.literal("ok") }).meta({ id: "Liveness" });

export const index = createRoute({
  method: "get",
  path: "/",
  operationId: "getIndex",
  ...open,
  summary: "What this is",
  responses: {
    200: answer(About, "Its name, its version and where it is described."),
  },
});

export const livez = createRoute({
  method: "get",
  path: "/livez",
  operationId: "getLiveness",
  ...open,
  summary: "Whether the process is alive",
  description: "Looks at nothing else: a database that is away is no reason to restart it.",
  responses: { 200: answer(Liveness, "It is.") },
});

export const readyz = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "getReadiness",
  ...open,
  summary: "Whether to send requests here",
  responses: {
    200: answer(Readiness, "Yes; `degraded` while the queue is away."),
    503: answer(Readiness, "No; `checks` says why."),
  },
});

export const health = createRoute({
  method: "get",
  path: "/health",
  operationId: "getHealth",
  ...open,
  summary: "A summary for people",
  responses: { 200: answer(Health, "Ready."), 503: answer(Health, "Not ready.") },
});

export const metrics = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "getMetrics",
  tags,
  summary: "Numbers for Prometheus",
  description: "For this machine, or for whoever has METRICS_TOKEN when that is set.",
  responses: {
    200: { description: "The exposition.", content: { "text/plain": { schema: z.string() } } },
    ...problems("unauthenticated", "forbidden"),
  },
});

const page = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.string() } },
});

export const docs = createRoute({
  method: "get",
  path: "/",
  operationId: "getDocs",
  ...open,
  summary: "These pages",
  responses: { 200: page("The page.", "text/html") },
});

export const docsFile = createRoute({
  method: "get",
  path: "/{file}",
  operationId: "getDocsFile",
  ...open,
  summary: "A file of these pages",
  request: { params: z.object({ file: z.string() }) },
  responses: { 200: page("The file.", "*/*"), ...problems("not_found") },
});

export const openapi = createRoute({
  method: "get",
  path: "/openapi.json",
  operationId: "getOpenApi",
  ...open,
  summary: "This description",
  responses: { 200: answer(z.any(), "OpenAPI 3.1.") },
});
