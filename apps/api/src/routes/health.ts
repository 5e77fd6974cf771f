import { timingSafeEqual } from "node:crypto";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { hashKey } from "../api-key.ts";
import type { AppEnv, Deps } from "../deps.ts";
import type { Metrics } from "../metrics.ts";
import { version } from "../openapi.ts";
import * as operations from "../operations/health.ts";
import { createReadiness } from "../readiness.ts";

/** What load balancers, scrapers and people who look ask for. */
export const healthRoutes = (deps: Deps, metrics: Metrics) => {
  const readReadiness = createReadiness(deps);
  const startedAt = deps.now();
  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.index, (c) =>
    c.json({ name: "Ducat", version, docs: `${deps.publicUrl}/docs` }, 200),
  );

  // Answering is the proof: what else is wrong is no reason to kill the process.
  app.openapi(operations.livez, (c) => c.json({ status: "ok" as const }, 200));

  app.openapi(operations.readyz, async (c) => {
    const { ready, status, checks } = await readReadiness();
    return c.json({ status, checks }, ready ? 200 : 503);
  });

  app.openapi(operations.health, async (c) => {
    const { ready, status, checks } = await readReadiness();
    const uptime_s = Math.round((deps.now() - startedAt) / 1000);
    const summary = { status, version, mode: deps.mode, uptime_s, checks };
    return c.json(summary, ready ? 200 : 503);
  });

  app.openapi(operations.metrics, async (c) => {
    assertScraper(c, deps.metricsToken);
    const { text, type } = await metrics.read();
    return c.text(text, 200, { "content-type": type });
  });

  return app;
};

const loopback = /^(?:127\.|::1$|::ffff:127\.)/;

/** With a token: who has it. Without: this machine, unless a proxy on it speaks for another. */
function assertScraper(c: Context<AppEnv>, token: string | undefined): void {
  if (token !== undefined) {
    const [, given] = /^Bearer +([!-~]+)$/i.exec(c.req.header("authorization") ?? "") ?? [];
    if (!given || !timingSafeEqual(hashKey(given), hashKey(token))) {
      throw new DomainError("unauthenticated");
    }
    return;
  }
  const address = c.env?.incoming?.socket.remoteAddress ?? "";
  const isProxied = c.req.header("x-forwarded-for") ?? c.req.header("forwarded");
  if (!loopback.test(address) || isProxied !== undefined) throw new DomainError("forbidden");
}
