import { ensureWebhookSecret, rotateWebhookSecret } from "@ducat/db/webhook-endpoints";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { accountSecret, rotateAccountSecret } from "../operations/webhook-endpoints.ts";
import { showSecret } from "../show-webhook.ts";

/** What signs events that are sent to the webhook_url of an account's generations. */
export const webhookSecretRoutes = (
  { db, webhookSecrets }: Pick<Deps, "db" | "webhookSecrets">,
  findAccount: FindAccount,
) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("webhooks"), requireAccount(findAccount));

  app.openapi(accountSecret, async (c) => {
    // It is made when it is first needed: by whoever verifies with it, or by the first delivery.
    const stored = await ensureWebhookSecret(db, c.var.accountId, webhookSecrets.make().sealed);
    return c.json(showSecret(webhookSecrets, stored), 200);
  });

  app.openapi(rotateAccountSecret, async (c) => {
    const { overlap_s: overlapSeconds } = c.req.valid("json");
    const secret = webhookSecrets.make().sealed;
    const wanted = { secret, overlapSeconds, audit: auditOf(c) };
    const stored = await rotateWebhookSecret(db, c.var.accountId, wanted);
    return c.json(showSecret(webhookSecrets, stored), 200);
  });

  return app;
};
