import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import type { AppEnv, Deps } from "../deps.ts";
import {
  activateSecondFactor,
  disableSecondFactor,
  offerSecondFactor,
} from "../logins/second-factor.ts";
import * as operations from "../operations/codes.ts";
import { allowSessions, requireSession } from "./sessions.ts";

/** What people do about their second factor, in a session. */
export const totpRoutes = ({ logins }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(allowSessions);

  app.openapi(operations.offerTotp, async (c) => {
    const session = requireSession(c);
    // Nobody shall stand before an address that another person may yet prove.
    if (c.var.principal.isVerified === false) throw new DomainError("not_verified");
    const offer = await offerSecondFactor(logins, { ...session, ...c.req.valid("json") });
    return c.json(offer, 201);
  });

  app.openapi(operations.activateTotp, async (c) => {
    const { loginId } = requireSession(c);
    const { code } = c.req.valid("json");
    await activateSecondFactor(logins, { loginId, code, audit: auditOf(c) });
    return c.body(null, 204);
  });

  app.openapi(operations.disableTotp, async (c) => {
    const { loginId } = requireSession(c);
    const { code } = c.req.valid("json");
    await disableSecondFactor(logins, { loginId, code, audit: auditOf(c) });
    return c.body(null, 204);
  });

  return app;
};
