import { type AutoReload as AutoReloadRow, getAutoReload } from "@ducat/db/auto-reload";
import { disableAutoReload, enableAutoReload } from "@ducat/payments/set-auto-reload";
import { ProviderName } from "@ducat/types/checkout";
import type { AutoReload } from "@ducat/types/credits";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/auto-reload.ts";
import { toMoment } from "../show-payment.ts";

/** Spending money is another right than spending credits. */
export const autoReloadRoutes = ({ db, payments }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("billing"), requireAccount(findAccount));

  app.openapi(operations.get, async (c) => {
    return c.json(show(await getAutoReload(db, c.var.accountId)), 200);
  });

  app.openapi(operations.set, async (c) => {
    const body = c.req.valid("json");
    const { accountId } = c.var;
    if (!body.enabled) return c.json(show(await disableAutoReload(payments, accountId)), 200);
    const { price_id: priceId, product, threshold, monthly_cap, consent, ...wish } = body;
    const set = await enableAutoReload(payments, accountId, {
      threshold,
      wanted: { priceId, product },
      wish,
      monthlyCap: monthly_cap ?? undefined,
      consent,
    });
    return c.json(show(set), 200);
  });

  return app;
};

const never: AutoReload = {
  enabled: false,
  threshold: null,
  price_id: null,
  product: null,
  provider: null,
  price: null,
  credits: null,
  monthly_cap: null,
  spent_this_month: 0,
  has_card: false,
  failures: 0,
  disabled_reason: null,
  last_attempt_at: null,
  consented_at: null,
};

function show(row: AutoReloadRow | undefined): AutoReload {
  if (!row) return never;
  const { amount, has_method, last_attempt_at, consented_at, ...rest } = row;
  return {
    ...rest,
    provider: ProviderName.parse(row.provider),
    credits: amount,
    has_card: has_method,
    last_attempt_at: toMoment(last_attempt_at),
    consented_at: toMoment(consented_at),
  };
}
