import { endSession, endSessions, listSessions } from "@ducat/db/sessions";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/logins.ts";
import { toTime } from "../show-generation.ts";

/** What people do with their sessions, in one of them. */
export const sessionRoutes = ({ db, cache }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(allowSessions);

  app.openapi(operations.logOut, async (c) => {
    const { loginId, sessionId } = requireSession(c);
    await endSession(db, loginId, { id: sessionId, reason: "logout" });
    // Those that were begun from it have ended too.
    await cache.forget([`login:${loginId}`]);
    return c.body(null, 204);
  });

  app.openapi(operations.listSessions, async (c) => {
    const { loginId, sessionId } = requireSession(c);
    const data = (await listSessions(db, loginId)).map((session) => ({
      ...session,
      is_current: session.id === sessionId,
      created_at: toTime(session.created_at),
      refreshed_at: toTime(session.refreshed_at),
      expires_at: toTime(session.expires_at),
    }));
    return c.json({ data }, 200);
  });

  app.openapi(operations.endSessions, async (c) => {
    const { loginId, sessionId } = requireSession(c);
    const except = c.req.valid("query").keep_current === "true" ? sessionId : null;
    await endSessions(db, loginId, { except, reason: "revoked" });
    await cache.forget([`login:${loginId}`]);
    return c.body(null, 204);
  });

  app.openapi(operations.endSession, async (c) => {
    const { loginId } = requireSession(c);
    const { id } = c.req.valid("param");
    const hasEnded = await endSession(db, loginId, { id, reason: "revoked" });
    if (!hasEnded) throw new DomainError("not_found");
    await cache.forget([`login:${loginId}`]);
    return c.body(null, 204);
  });

  return app;
};

/** Nobody else is told what is wrong with a body. Errors: forbidden. */
export const allowSessions: MiddlewareHandler<AppEnv> = async (c, next) => {
  requireSession(c);
  await next();
};

/** The session that calls. Errors: forbidden, for a caller who is no person with a login here. */
export function requireSession(c: Context<AppEnv>): { loginId: string; sessionId: string } {
  const { loginId, sessionId } = c.var.principal;
  if (loginId === undefined || sessionId === undefined) throw new DomainError("forbidden");
  return { loginId, sessionId };
}
