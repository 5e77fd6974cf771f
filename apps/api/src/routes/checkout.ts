import { answerOnce } from "@ducat/db/request-answers";
import { openCheckout } from "@ducat/payments/open-checkout";
import type { Checkout } from "@ducat/types/checkout";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/checkout.ts";
import { checkReturnUrl } from "../return-url.ts";
import { toMoment } from "../show-payment.ts";

/** Longer than a checkout may take: then its process is gone. */
const holdSeconds = 60;

export const checkoutRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, payments } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("billing"), requireAccount(findAccount));

  app.openapi(operations.create, async (c) => {
    const { price_id: priceId, product, subject, metadata, ...body } = c.req.valid("json");
    const { accountId } = c.var;
    const requestKey = readRequestKey(c);
    const returnUrl = checkReturnUrl(deps, body.return_url);
    const request = { accountId, scope: "checkout", ...requestKey, holdSeconds };
    const { answer, replayed } = await answerOnce(db, request, async () => {
      const order = { accountId, requestKey, returnUrl, subject, metadata };
      const wish = { ...body, savesMethod: body.save_card };
      const wanted = { priceId, product };
      const payment = await openCheckout(payments, { ...order, wanted, wish });
      const checkout: Checkout = {
        url: payment.checkout_url,
        payment_id: payment.id,
        expires_at: toMoment(payment.expires_at),
      };
      return JSON.stringify(checkout);
    });
    markReplay(c, replayed);
    // Written again it is the same text: the order of its members is kept.
    return c.json(JSON.parse(answer) as Checkout, 201);
  });

  return app;
};
