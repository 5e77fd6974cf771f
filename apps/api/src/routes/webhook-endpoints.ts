import {
  createEndpoint,
  deleteEndpoint,
  deploymentId,
  findEndpoint,
  listEndpoints,
  readEndpointSecrets,
  rotateSecret,
  updateEndpoint,
} from "@ducat/db/webhook-endpoints";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/webhook-endpoints.ts";
import { showEndpoint, showSecret } from "../show-webhook.ts";
import { checkWebhookUrl } from "../webhook-url.ts";
import { addDeliveryRoutes } from "./webhook-deliveries.ts";

/** An account's endpoints. */
export const webhookEndpointRoutes = (deps: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("webhooks"), requireAccount(findAccount));
  addRoutes(app, deps, { operations: operations.ofAccount, ownerOf: (c) => c.var.accountId });
  return app;
};

/** The deployment's own, which hear of all accounts. */
export const adminEndpointRoutes = (deps: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));
  // Support reads everything else: whoever has a secret can write events.
  app.use("/:id/secret", async ({ var: { principal } }, next) => {
    if (principal.role === "support") throw new DomainError("forbidden");
    await next();
  });
  addRoutes(app, deps, { operations: operations.ofDeployment, ownerOf: () => deploymentId });
  return app;
};

export type Owned = {
  operations: operations.EndpointOperations;
  /** Whose endpoints a request is about. */
  ownerOf: (c: Context<AppEnv>) => string;
};

function addRoutes(app: OpenAPIHono<AppEnv>, deps: Deps, owned: Owned): void {
  addEndpointRoutes(app, deps, owned);
  addSecretRoutes(app, deps, owned);
  addDeliveryRoutes(app, deps, owned);
}

function addEndpointRoutes(
  app: OpenAPIHono<AppEnv>,
  deps: Deps,
  { operations, ownerOf }: Owned,
): void {
  const { db, webhookSecrets } = deps;

  app.openapi(operations.create, async (c) => {
    const body = c.req.valid("json");
    checkWebhookUrl(deps, body.url, "/url");
    const { secret, sealed } = webhookSecrets.make();
    const wanted = { ...body, secret: sealed, audit: auditOf(c) };
    const made = await createEndpoint(db, ownerOf(c), wanted);
    return c.json({ ...showEndpoint(made), secret }, 201);
  });

  app.openapi(operations.list, async (c) => {
    const found = await listEndpoints(db, ownerOf(c));
    return c.json({ data: found.map(showEndpoint) }, 200);
  });

  app.openapi(operations.get, async (c) => {
    const found = await findEndpoint(db, ownerOf(c), c.req.valid("param").id);
    if (!found) throw new DomainError("not_found");
    return c.json(showEndpoint(found), 200);
  });

  app.openapi(operations.update, async (c) => {
    const change = c.req.valid("json");
    checkWebhookUrl(deps, change.url, "/url");
    const wanted = { ...change, ...c.req.valid("param"), audit: auditOf(c) };
    return c.json(showEndpoint(await updateEndpoint(db, ownerOf(c), wanted)), 200);
  });

  app.openapi(operations.remove, async (c) => {
    await deleteEndpoint(db, ownerOf(c), { ...c.req.valid("param"), audit: auditOf(c) });
    return c.body(null, 204);
  });
}

function addSecretRoutes(
  app: OpenAPIHono<AppEnv>,
  { db, webhookSecrets }: Deps,
  { operations, ownerOf }: Owned,
): void {
  app.openapi(operations.secret, async (c) => {
    const stored = await readEndpointSecrets(db, ownerOf(c), c.req.valid("param").id);
    return c.json(showSecret(webhookSecrets, stored), 200);
  });

  app.openapi(operations.rotate, async (c) => {
    const { id } = c.req.valid("param");
    const { overlap_s: overlapSeconds } = c.req.valid("json");
    const secret = webhookSecrets.make().sealed;
    const wanted = { id, secret, overlapSeconds, audit: auditOf(c) };
    const stored = await rotateSecret(db, ownerOf(c), wanted);
    return c.json(showSecret(webhookSecrets, stored), 200);
  });
}
