import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { METHOD_NAME_ALL } from "hono/router";
import { createMethodFinder } from "./allowed-methods.ts";
import { announceWrites } from "./announce-writes.ts";
import { authenticate, createAccountFinders } from "./auth.ts";
import { readClientIp } from "./client-ip.ts";
import type { AppEnv, Deps } from "./deps.ts";
import { allowOrigins, endConnections, setSecurityHeaders } from "./http-headers.ts";
import { limitAnonymous } from "./limits/limit-anonymous.ts";
import { limitRequests } from "./limits/limit-requests.ts";
import { createPlanWindows } from "./limits/plan-windows.ts";
import { createMetrics } from "./metrics.ts";
import { observe } from "./observe.ts";
import { makeDocument, registerComponents } from "./openapi.ts";
import * as operations from "./operations/health.ts";
import { answerProblem, isBusy, refuseInvalid, toRefusal } from "./problem.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { adminRoutes } from "./routes/admin.ts";
import { adminAccountRoutes, adminLoginRoutes } from "./routes/admin-accounts.ts";
import { adminCatalogRoutes } from "./routes/admin-catalog.ts";
import { adminEntitlementRoutes } from "./routes/admin-entitlements.ts";
import { adminGenerationRoutes } from "./routes/admin-generations.ts";
import { adminPaymentRoutes } from "./routes/admin-payments.ts";
import { adminStyleRoutes } from "./routes/admin-styles.ts";
import { albumRoutes } from "./routes/albums.ts";
import { alertRoutes } from "./routes/alerts.ts";
import { anomalyRoutes } from "./routes/anomalies.ts";
import { apiKeyRoutes } from "./routes/api-keys.ts";
import { auditLogRoutes } from "./routes/audit-logs.ts";
import { autoReloadRoutes } from "./routes/auto-reload.ts";
import { checkoutRoutes } from "./routes/checkout.ts";
import { clockRoutes } from "./routes/clock.ts";
import { codeRoutes } from "./routes/codes.ts";
import { configRoutes, publicConfigRoutes } from "./routes/config.ts";
import { creditRoutes } from "./routes/credits.ts";
import { docsRoutes } from "./routes/docs.ts";
import { entitlementRoutes } from "./routes/entitlements.ts";
import { eraseMeRoutes } from "./routes/erase-me.ts";
import { eventRoutes } from "./routes/events.ts";
import { failedMessageRoutes } from "./routes/failed-messages.ts";
import { fileRoutes } from "./routes/files.ts";
import { generationRoutes } from "./routes/generations.ts";
import { healthRoutes } from "./routes/health.ts";
import { imageRoutes } from "./routes/images.ts";
import { loginAccountRoutes } from "./routes/login-accounts.ts";
import { loginChangeRoutes } from "./routes/login-changes.ts";
import { loginPageRoutes } from "./routes/login-pages.ts";
import { loginRoutes } from "./routes/logins.ts";
import { meRoutes } from "./routes/me.ts";
import { callbackRoutes, payRoutes, sandboxRoutes } from "./routes/pages.ts";
import { paymentRoutes } from "./routes/payments.ts";
import { portalRoutes } from "./routes/portal.ts";
import { adminProductRoutes, productRoutes } from "./routes/products.ts";
import { promoCodeRoutes } from "./routes/promo-codes.ts";
import { queueBoardRoutes, queueTicketRoutes } from "./routes/queues.ts";
import { reconciliationRoutes } from "./routes/reconciliation.ts";
import { redeemRoutes } from "./routes/redeem.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { statisticsRoutes } from "./routes/statistics.ts";
import { styleRoutes } from "./routes/styles.ts";
import { subscriptionRoutes } from "./routes/subscription.ts";
import { taskRoutes } from "./routes/tasks.ts";
import { totpRoutes } from "./routes/totp.ts";
import { uploadRoutes } from "./routes/uploads.ts";
import { usageRoutes } from "./routes/usage.ts";
import { adminUsageRoutes, usageSummaryRoutes } from "./routes/usage-summaries.ts";
import { vendorRoutes } from "./routes/vendor.ts";
import { vendorPageRoutes } from "./routes/vendors.ts";
import { adminDeliveryRoutes } from "./routes/webhook-deliveries.ts";
import { adminEndpointRoutes, webhookEndpointRoutes } from "./routes/webhook-endpoints.ts";
import { webhookEventRoutes } from "./routes/webhook-events.ts";
import { webhookSecretRoutes } from "./routes/webhook-secret.ts";
import { webhookRoutes } from "./routes/webhooks.ts";
import { createHub } from "./streams/hub.ts";
import type { StreamDeps } from "./streams/open-stream.ts";

const isEnd = ({ method }: { method: string }) => method !== METHOD_NAME_ALL;

/** The whole API as one Hono app; it listens nowhere. */
export function createApp(deps: Deps): OpenAPIHono<AppEnv> {
  const { log, publicUrl, allowedOrigins, closing, proxyHops } = deps;
  const metrics = createMetrics(deps);
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw refuseInvalid(result.target, result.error);
    },
  });

  app.use(observe({ log, metrics }), setSecurityHeaders(publicUrl), endConnections(closing));
  app.use(async (c, next) => {
    c.set("clientIp", readClientIp(c, proxyHops));
    await next();
  });
  if (allowedOrigins.length > 0) app.use(allowOrigins(allowedOrigins));

  // Before anybody is asked for a key: what is not there is not there for all.
  app.use(async (c, next) => {
    if (!matchedRoutes(c).some(isEnd)) return c.notFound();
    return next();
  });
  const finders = createAccountFinders(deps);
  const requireKey = authenticate(deps, finders.findAccount);
  app.use(limitAnonymous(deps, requireKey));

  app.route("/", healthRoutes(deps, metrics));
  mountOpenRoutes(app, deps);
  const streams = {
    ...deps,
    hub: createHub({ ...deps, meter: metrics.streams }),
    meter: metrics.streams,
  };
  mountKeyedRoutes(app, streams, { ...finders, requireKey });
  app.route("/v1/admin/stats", statisticsRoutes(deps, metrics));

  registerComponents(app);
  app.openapi(operations.openapi, (c) => c.json(document, 200));
  const document = makeDocument(app);

  const findMethods = createMethodFinder(app);
  app.notFound((c) => {
    const allowed = findMethods(c.req.path);
    if (allowed.length === 0) return answerProblem(c, new DomainError("not_found"));
    c.header("Allow", allowed.join(", "));
    return answerProblem(c, new DomainError("method_not_allowed"));
  });
  app.onError((error, c) => {
    const refusal = toRefusal(error);
    if (isBusy(refusal)) {
      c.set("isBusy", true);
    } else if (refusal.code === "internal" || refusal.code === "unavailable") {
      log.error({ err: error, req_id: c.var.requestId }, "a request failed");
    }
    return answerProblem(c, refusal);
  });
  return app;
}

/** Nobody is asked for a key. */
function mountOpenRoutes(app: OpenAPIHono<AppEnv>, deps: Deps): void {
  app.route("/docs", docsRoutes());
  app.route("/webhooks", webhookRoutes(deps));
  app.route("/callbacks", callbackRoutes(deps));
  app.route("/pay", payRoutes(deps));
  app.route("/sandbox", sandboxRoutes(deps));
  app.route("/v1/files", fileRoutes(deps));
  app.route("/v1/vendors", vendorPageRoutes(deps));
  app.route("/v1/auth", loginRoutes(deps));
  app.route("/v1/auth", codeRoutes(deps));
  app.route("/auth", loginPageRoutes(deps));
  app.route("/v1/config", publicConfigRoutes(deps));
  // Their browsers have a cookie for it and no key.
  app.route("/", queueBoardRoutes(deps));
}

type Gate = ReturnType<typeof createAccountFinders> & { requireKey: MiddlewareHandler<AppEnv> };

/** Behind a key; each file of routes asks for its scope. */
function mountKeyedRoutes(app: OpenAPIHono<AppEnv>, deps: Deps & StreamDeps, gate: Gate): void {
  const { findAccount, findAnyAccount, requireKey } = gate;
  const findPlanWindows = createPlanWindows(deps);
  app.use("/v1/*", requireKey, limitRequests({ ...deps, findPlanWindows }, findAccount));
  app.use("/v1/*", announceWrites(deps.bus));
  app.route("/v1/auth", sessionRoutes(deps));
  app.route("/v1/auth", totpRoutes(deps));
  app.route("/v1/auth", loginChangeRoutes(deps));
  app.route("/v1/auth", loginAccountRoutes(deps));
  app.route("/v1/accounts", accountRoutes(deps, findAccount));
  app.route("/v1/api-keys", apiKeyRoutes(deps, findAccount));
  app.route("/v1/me", eraseMeRoutes(deps, findAccount));
  app.route("/v1/me", meRoutes(deps, findAccount));
  app.route("/v1/vendor", vendorRoutes(deps, findAccount));
  app.route("/v1/styles", styleRoutes(deps));
  app.route("/v1/uploads", uploadRoutes(deps, findAccount));
  app.route("/v1/images", imageRoutes(deps, findAccount));
  app.route("/v1/albums", albumRoutes(deps, findAccount));
  app.route("/v1/generations", generationRoutes(deps, findAccount));
  app.route("/v1/events", eventRoutes(deps, findAccount));
  app.route("/v1/alerts", alertRoutes(deps, findAccount));
  app.route("/v1/credits/auto-reload", autoReloadRoutes(deps, findAccount));
  app.route("/v1/credits", creditRoutes(deps, findAccount));
  app.route("/v1/credits/redeem", redeemRoutes(deps, findAccount));
  app.route("/v1/entitlements", entitlementRoutes(deps, findAccount));
  app.route("/v1/usage/summary", usageSummaryRoutes(deps, findAccount));
  app.route("/v1/usage", usageRoutes(deps, findAccount));
  app.route("/v1/products", productRoutes(deps, findAccount));
  app.route("/v1/checkout", checkoutRoutes(deps, findAccount));
  app.route("/v1/portal", portalRoutes(deps, findAccount));
  app.route("/v1/payments", paymentRoutes(deps, findAccount));
  app.route("/v1/subscription", subscriptionRoutes(deps, findAccount));
  app.route("/v1/webhook-endpoints", webhookEndpointRoutes(deps, findAccount));
  app.route("/v1/webhook-secret", webhookSecretRoutes(deps, findAccount));
  app.route("/v1/admin/accounts", adminAccountRoutes(deps, findAnyAccount));
  app.route("/v1/admin/accounts", adminEntitlementRoutes(deps, findAnyAccount));
  app.route("/v1/admin/logins", adminLoginRoutes(deps));
  app.route("/v1/admin/generations", adminGenerationRoutes(deps, findAnyAccount));
  app.route("/v1/admin/audit-logs", auditLogRoutes(deps, findAnyAccount));
  app.route("/v1/admin", adminRoutes(deps, findAnyAccount));
  // Time moves for accounts of a test only.
  if (deps.mode === "test") app.route("/v1/admin/clock", clockRoutes(deps, findAnyAccount));
  app.route("/v1/admin/products", adminProductRoutes(deps));
  app.route("/v1/admin/promo-codes", promoCodeRoutes(deps));
  app.route("/v1/admin/webhook-events", webhookEventRoutes(deps));
  app.route("/v1/admin/webhook-endpoints", adminEndpointRoutes(deps));
  app.route("/v1/admin/deliveries", adminDeliveryRoutes(deps, findAnyAccount));
  app.route("/v1/admin/payments", adminPaymentRoutes(deps, findAnyAccount));
  app.route("/v1/admin/usage", adminUsageRoutes(deps, findAnyAccount));
  app.route("/v1/admin/reconciliation", reconciliationRoutes(deps));
  app.route("/v1/admin/anomalies", anomalyRoutes(deps));
  app.route("/v1/admin/tasks", taskRoutes(deps));
  app.route("/v1/admin/config", configRoutes(deps));
  app.route("/v1/admin/styles", adminStyleRoutes(deps));
  app.route("/v1/admin/catalog", adminCatalogRoutes(deps));
  app.route("/v1/admin/messages", failedMessageRoutes(deps, findAnyAccount));
  app.route("/", queueTicketRoutes(deps));
}
