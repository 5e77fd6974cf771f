import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "./deps.ts";

/** What a browser may do with an answer: nothing, unless its route says more. */
const defaults = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Set before the route runs, which may say otherwise: changing an answer costs a copy of it. */
export function setSecurityHeaders(publicUrl: string): MiddlewareHandler<AppEnv> {
  const always = Object.entries({
    ...defaults,
    ...(publicUrl.startsWith("https:") && { "strict-transport-security": "max-age=31536000" }),
  });
  return async (c, next) => {
    for (const [name, value] of always) c.header(name, value);
    await next();
  };
}

/** Tells a keep-alive client to let go once the process is stopping: its server waits for it. */
export function endConnections(closing: AbortSignal): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    await next();
    if (closing.aborted) c.res.headers.set("connection", "close");
  };
}

const exposed = [
  "Idempotent-Replayed",
  "Preference-Applied",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "X-Request-Id",
];

/** Lets the pages of these origins, and no others, call the API from a browser. */
export function allowOrigins(origins: string[]): MiddlewareHandler<AppEnv> {
  const answerPreflight = cors({
    origin: origins,
    allowMethods: ["GET", "POST", "PUT", "PATCH", "DELETE"],
    allowHeaders: [
      "Authorization",
      "Content-Type",
      "Ducat-Account",
      "Idempotency-Key",
      "Last-Event-ID",
      "Prefer",
      "X-Request-Id",
    ],
    maxAge: 600,
  });
  return async (c, next) => {
    if (c.req.method === "OPTIONS") return answerPreflight(c, next);
    const origin = c.req.header("origin");
    // Not by hono's own: it would begin an answer, whose headers then outdo those of the route.
    if (origin !== undefined && origins.includes(origin)) {
      c.header("Access-Control-Allow-Origin", origin);
      c.header("Access-Control-Expose-Headers", exposed.join(","));
    }
    c.header("Vary", "Origin", { append: true });
    await next();
  };
}
