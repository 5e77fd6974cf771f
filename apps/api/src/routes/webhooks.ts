import type { HeaderMap } from "@ducat/billing/provider";
import { receiveWebhook } from "@ducat/payments/receive-webhook";
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { readBytes } from "../body.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/webhooks.ts";

/** A Stripe invoice with 250 lines has about 400 KB. */
const webhookBytes = 1024 * 1024;

/**
 * Where providers tell us things. Nothing reads the body before its signature is checked, so the
 * framework's own validation has no place here; and it is answered once it is stored.
 */
export const webhookRoutes = ({ payments, enqueue }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.openAPIRegistry.registerPath(operations.receive as RouteConfig);

  app.post("/:provider", async (c) => {
    const raw = await readBytes(c, webhookBytes);
    const headers: HeaderMap = Object.fromEntries(c.req.raw.headers);
    const provider = c.req.param("provider");
    const { id, isWaiting } = await receiveWebhook(payments, { provider, raw, headers });
    if (isWaiting) enqueue.addWebhook(id);
    // Lemon Squeezy counts anything but 200 as a failure, a 204 too.
    return c.text("ok", 200);
  });

  return app;
};
