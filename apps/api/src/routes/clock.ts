import { randomUUID } from "node:crypto";
import { advanceAccountClock } from "@ducat/payments/advance-clock";
import { AdvancedClock } from "@ducat/types/clock";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { type FindAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { markReplay, readRequestKey } from "../idempotency.ts";
import * as operations from "../operations/clock.ts";
import { toTime } from "../show-generation.ts";

/** The test clock; mounted in test mode only. */
export const clockRoutes = ({ payments, cache }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.advance, async (c) => {
    const { account, seconds } = c.req.valid("json");
    const hasKey = c.req.header("idempotency-key") !== undefined;
    const requestKey = hasKey ? readRequestKey(c) : { key: randomUUID(), fingerprint: noBody };
    const accountId = await findAccount(account);
    c.set("accountId", accountId);
    const move = { ...requestKey, seconds, audit: auditOf(c) };
    const { ran, done_at, replayed } = await advanceAccountClock(payments, accountId, move);
    // The database has told every process; this one shall know before its answer is out.
    await cache.forget([`entitlements:${accountId}`]);
    markReplay(c, replayed);
    const shown = ran.map(({ at, what, id }) => ({ at: toTime(at), what, id: id ?? null }));
    const body = { account_id: accountId, now: toTime(done_at ?? ""), ran: shown };
    return c.json(AdvancedClock.parse(body), 200);
  });

  return app;
};

/** The fingerprint of a call that can't be repeated. */
const noBody = Buffer.alloc(32);
