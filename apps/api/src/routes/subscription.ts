import { answerOnce } from "@ducat/db/request-answers";
import type { CurrentSubscription } from "@ducat/db/subscriptions";
import {
  cancelSubscription,
  changeSubscription,
  getSubscription,
  resumeSubscription,
} from "@ducat/payments/change-subscription";
import type { Subscription } from "@ducat/types/subscriptions";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/subscription.ts";
import { showSubscription } from "../show-subscription.ts";

/** Longer than a change of plan may take: then its process is gone. */
const holdSeconds = 60;

export const subscriptionRoutes = ({ db, payments }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("billing"), requireAccount(findAccount));
  const show = (row: CurrentSubscription) =>
    showSubscription(row, payments.providers.get(row.provider));

  app.openapi(operations.get, async (c) => {
    return c.json(show(await getSubscription(payments, c.var.accountId)), 200);
  });

  app.openapi(operations.cancel, async (c) => {
    const { when } = c.req.valid("json");
    return c.json(show(await cancelSubscription(payments, c.var.accountId, when)), 200);
  });

  app.openapi(operations.resume, async (c) => {
    return c.json(show(await resumeSubscription(payments, c.var.accountId)), 200);
  });

  app.openapi(operations.change, async (c) => {
    const { price_id: priceId, product, ...wish } = c.req.valid("json");
    const { accountId } = c.var;
    const requestKey = readRequestKey(c);
    const request = { accountId, scope: "plan_change", ...requestKey, holdSeconds };
    const { answer, replayed } = await answerOnce(db, request, async () => {
      const change = { accountId, requestKey, wanted: { priceId, product }, wish };
      return JSON.stringify(show(await changeSubscription(payments, change)));
    });
    markReplay(c, replayed);
    return c.json(JSON.parse(answer) as Subscription, 200);
  });

  return app;
};
