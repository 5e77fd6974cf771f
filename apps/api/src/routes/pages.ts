import { handleSandboxPage } from "@ducat/billing/sandbox-page";
import { findBuyer, findOffer } from "@ducat/db/offers";
import { findOrder, type Payment } from "@ducat/db/payments";
import { followPayLink, getOrder, isPayable } from "@ducat/payments/follow-pay-link";
import { trySettleOrder } from "@ducat/payments/settle-order";
import { DomainError, errors } from "@ducat/types/errors";
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/pages.ts";
import { answerPage, type PayState, stateOf } from "../pay-page.ts";
import { toRefusal } from "../problem.ts";
import { showStatus } from "../show-payment.ts";

/** Pay links and what they lead to. Whoever knows a reference may pay for it, and sees no more. */
export const payRoutes = (deps: Deps) => {
  const { payments } = deps;
  const app = createPages(deps);
  app.openAPIRegistry.registerPath(operations.pay as unknown as RouteConfig);
  app.openAPIRegistry.registerPath(operations.done as unknown as RouteConfig);

  app.get("/:reference", async (c) => {
    const reference = c.req.param("reference");
    // What reads links before people do shall open nothing.
    if (c.req.raw.method === "HEAD") {
      await getOrder(payments, reference);
      return c.body(null, 200);
    }
    const lead = await followPayLink(payments, reference);
    if (lead.to === "provider") return c.redirect(lead.url, 303);
    if (lead.to === "done") return c.redirect(`${c.req.path}/done`, 303);
    return showOrder(c, deps, { payment: lead.payment, status: 410, state: "ended" });
  });

  app.get("/:reference/done", async (c) => {
    const order = await getOrder(payments, c.req.param("reference"));
    const payment = await trySettleOrder(payments, order);
    if (payment.return_url !== null)
      return c.redirect(returnUrlOf(payment, payment.return_url), 303);
    return showOrder(c, deps, { payment, status: 200, state: describe(payment, deps.now()) });
  });

  return app;
};

/** Where providers without webhooks send customers back. */
export const callbackRoutes = (deps: Deps) => {
  const { payments } = deps;
  const app = createPages(deps);
  app.openAPIRegistry.registerPath(operations.callback as unknown as RouteConfig);

  app.get("/:provider", async (c) => {
    const named = c.req.param("provider");
    const provider = [...payments.providers.values()].find(({ name }) => name === named);
    const found = provider?.readReturn?.(new URL(c.req.url).searchParams);
    const mode = payments.mode;
    const order =
      provider &&
      found &&
      (await findOrder(payments.db, { provider: provider.name, mode, ...found }));
    if (!order) throw new DomainError("not_found");
    const payment = await trySettleOrder(payments, order);
    const { return_url, reference } = payment;
    const own = `${deps.publicUrl}/pay/${reference}/done`;
    return c.redirect(return_url === null ? own : returnUrlOf(payment, return_url), 303);
  });

  return app;
};

/** The sandbox's own pages, in test mode. */
export const sandboxRoutes = (deps: Deps) => {
  const app = createPages(deps);
  const { sandbox } = deps.payments;
  if (!sandbox) return app;
  app.openAPIRegistry.registerPath(operations.showSandbox as unknown as RouteConfig);
  app.openAPIRegistry.registerPath(operations.useSandbox as unknown as RouteConfig);

  app.on(["GET", "POST"], "/:page/:document", async (c) => {
    const { status, headers, body } = await handleSandboxPage(sandbox, c.req.raw);
    // As it says: its form posts to itself, so its policy is another one than the API's.
    for (const [name, value] of headers) c.header(name, value);
    return body === null ? c.body(null, status as 303) : c.body(body, status as 200);
  });

  return app;
};

/** Routes that people's browsers open: what goes wrong is a page too. */
function createPages({ log }: Deps) {
  const app = new OpenAPIHono<AppEnv>();
  app.onError((error, c) => {
    const { code } = toRefusal(error);
    if (code === "internal" || code === "unavailable") {
      log.error({ err: error, req_id: c.var.requestId }, "a page failed");
    }
    const retryUrl = code === "provider_unavailable" ? c.req.path : undefined;
    return answerPage(c, { status: errors[code].status, state: stateOf(code), retryUrl });
  });
  return app;
}

async function showOrder(
  c: Context<AppEnv>,
  { db, payments }: Deps,
  shown: { payment: Payment; status: 200 | 410; state: PayState },
) {
  const { payment, status, state } = shown;
  const { account_id, price_id, amount, currency, reference } = payment;
  const [buyer, offer] = await Promise.all([
    findBuyer(db, account_id),
    price_id === null ? undefined : findOffer(db, price_id),
  ]);
  // Whoever left the bank's page may go back: the link asks first whether it was paid after all.
  const isOpen = state === "failed" || state === "waiting";
  const canRetry = isOpen && isPayable(payment, payments.now());
  return answerPage(c, {
    status,
    state,
    locale: buyer?.locale,
    order: { amount, currency, reference, ...(offer && { name: offer.name }) },
    retryUrl: canRetry ? `/pay/${reference}` : undefined,
  });
}

function describe(payment: Payment, now: number): PayState {
  const { status } = payment;
  if (status === "succeeded") return "succeeded";
  if (status === "quarantined") return "held";
  if (status === "failed") return "failed";
  return status === "expired" && !isPayable(payment, now) ? "ended" : "waiting";
}

/** The order's own address, checked when it was made, and nothing that came with this request. */
function returnUrlOf(payment: Payment, returnUrl: string): string {
  const url = new URL(returnUrl);
  url.searchParams.set("payment_id", payment.id);
  url.searchParams.set("status", showStatus(payment, false));
  return url.href;
}
