import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { finishChange, startChange } from "../logins/change-address.ts";
import { codeSeconds } from "../logins/send-code.ts";
import * as operations from "../operations/login-changes.ts";
import { allowSessions, requireSession } from "./sessions.ts";

/** What people do about the address and number that they log in with, in a session. */
export const loginChangeRoutes = ({ logins, proxyHops }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(allowSessions);

  for (const [operation, channel] of [
    [operations.changeEmail, "email"],
    [operations.changePhone, "phone"],
  ] as const) {
    app.openapi(operation, async (c) => {
      const { password, totp_code: totpCode, locale, ...sent } = c.req.valid("json");
      const target = { channel, text: readTarget(sent) };
      const caller = { asker: requireSession(c), ip: readClientIp(c, proxyHops) };
      await startChange(logins, { ...target, ...caller, password, totpCode, locale });
      return c.json({ expires_in: codeSeconds }, 202);
    });
  }

  for (const [operation, channel] of [
    [operations.verifyEmail, "email"],
    [operations.verifyPhone, "phone"],
  ] as const) {
    app.openapi(operation, async (c) => {
      const { code, ...sent } = c.req.valid("json");
      const target = { channel, text: readTarget(sent) };
      const caller = { asker: requireSession(c), ip: readClientIp(c, proxyHops) };
      await finishChange(logins, { ...target, ...caller, code, audit: auditOf(c) });
      return c.body(null, 204);
    });
  }

  return app;
};

const readTarget = (sent: { email: string } | { phone: string }) =>
  "email" in sent ? sent.email : sent.phone;
