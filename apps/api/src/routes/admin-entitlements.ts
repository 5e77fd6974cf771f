import { createHash } from "node:crypto";
import type { RequestKey } from "@ducat/db/credits";
import {
  assignPlan,
  liftPlan,
  removeFeatureOverride,
  setFeatureOverride,
} from "@ducat/db/entitlements";
import { answerOnce } from "@ducat/db/request-answers";
import { addAllowance } from "@ducat/db/usage";
import type { Allowance } from "@ducat/types/entitlements";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/admin-entitlements.ts";
import { showEntitlements, showExpiry } from "../show-entitlements.ts";
import { toTime } from "../show-generation.ts";

/** Longer than giving takes: then its process is gone. */
const holdSeconds = 30;

/** A process that died between giving and answering gives nothing again. */
const nameEffect = ({ key }: RequestKey) =>
  `admin:${createHash("sha256").update(key).digest("hex")}`;

/** The database tells every process; `forget` lets this one know before its answer is out. */
export const adminEntitlementRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, entitlements, now } = deps;
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.setOverride, async (c) => {
    const { id, feature } = c.req.valid("param");
    const { expires_at: expiresAt, ...said } = c.req.valid("json");
    const accountId = await findAccount(id);
    const override = { ...said, feature, expiresAt, audit: auditOf(c) };
    const done = await setFeatureOverride(db, accountId, override);
    await entitlements.forget(accountId);
    return c.json({ ...showExpiry(done), updated_at: toTime(done.updated_at) }, 200);
  });

  app.openapi(operations.removeOverride, async (c) => {
    const { id, feature } = c.req.valid("param");
    const accountId = await findAccount(id);
    await removeFeatureOverride(db, accountId, { feature, audit: auditOf(c) });
    await entitlements.forget(accountId);
    return c.body(null, 204);
  });

  app.openapi(operations.addAllowance, async (c) => {
    const { expires_at: expiresAt, ...given } = c.req.valid("json");
    const requestKey = readRequestKey(c);
    const accountId = await findAccount(c.req.valid("param").id);
    const allowance = { ...given, expiresAt, effectKey: nameEffect(requestKey), audit: auditOf(c) };
    const request = { accountId, scope: "allowance", ...requestKey, holdSeconds };
    const { answer, replayed } = await answerOnce(db, request, async () => {
      const { replayed: _, ...done } = await addAllowance(db, accountId, allowance);
      return JSON.stringify(showExpiry(done));
    });
    await entitlements.forget(accountId);
    markReplay(c, replayed);
    return c.json(JSON.parse(answer) as Allowance, 201);
  });

  app.openapi(operations.assignPlan, async (c) => {
    const accountId = await findAccount(c.req.valid("param").id);
    await assignPlan(db, accountId, { ...c.req.valid("json"), audit: auditOf(c) });
    const found = await entitlements.getFresh(accountId);
    return c.json(showEntitlements(found, { now: now() }), 200);
  });

  app.openapi(operations.liftPlan, async (c) => {
    const accountId = await findAccount(c.req.valid("param").id);
    await liftPlan(db, accountId, auditOf(c));
    const found = await entitlements.getFresh(accountId);
    return c.json(showEntitlements(found, { now: now() }), 200);
  });

  return app;
};
