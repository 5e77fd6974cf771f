import type { Audit } from "@ducat/db/credits";
import type { LoggedIn, SessionTokens } from "@ducat/types/logins";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { logIn } from "../logins/log-in.ts";
import { register, resendVerification } from "../logins/register.ts";
import type { Challenge } from "../logins/second-factor.ts";
import { codeSeconds, sendCode } from "../logins/send-code.ts";
import { type BegunSession, continueSession } from "../logins/sessions.ts";
import { takeLoginLimits } from "../logins/take-limits.ts";
import { forgetPassword, resetPassword, verifyEmail } from "../logins/use-links.ts";
import * as operations from "../operations/logins.ts";
import { toTime } from "../show-generation.ts";

/** One sentence for every address: nobody learns from it who has a login. */
const accepted = { message: "If this address is yours, a mail is on its way." };
const texted = { message: "If this number is yours, a code is on its way." };

/** What people do before there is a session. Each has limits of its own. */
export const loginRoutes = ({ logins, proxyHops }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  const ipOf = (c: Context<AppEnv>) => readClientIp(c, proxyHops);

  app.openapi(operations.register, async (c) => {
    const { email, phone, ...rest } = c.req.valid("json");
    const ip = ipOf(c);
    if (email !== undefined) await register(logins, { ...rest, email, ip });
    else await sendCode(logins, { ...rest, phone: phone ?? "", purpose: "phone_verify", ip });
    return c.json(email === undefined ? texted : accepted, 202);
  });

  app.openapi(operations.logIn, async (c) => {
    const userAgent = c.req.header("user-agent");
    const begun = await logIn(logins, { ...c.req.valid("json"), userAgent, ip: ipOf(c) });
    return c.json(showLogin(begun), 200);
  });

  app.openapi(operations.refresh, async (c) => {
    await takeLoginLimits(logins, "refresh", { ip: ipOf(c) });
    const begun = await continueSession(logins, c.req.valid("json").refresh_token);
    return c.json(showTokens(begun), 200);
  });

  app.openapi(operations.verifyEmail, async (c) => {
    await verifyEmail(logins, { ...c.req.valid("json"), ip: ipOf(c), audit: auditOf(c, ipOf(c)) });
    return c.body(null, 204);
  });

  app.openapi(operations.resendVerification, async (c) => {
    await resendVerification(logins, { ...c.req.valid("json"), ip: ipOf(c) });
    return c.json(accepted, 202);
  });

  app.openapi(operations.forgotPassword, async (c) => {
    await forgetPassword(logins, { ...c.req.valid("json"), ip: ipOf(c) });
    return c.json(accepted, 202);
  });

  app.openapi(operations.resetPassword, async (c) => {
    const ip = ipOf(c);
    await resetPassword(logins, { ...c.req.valid("json"), ip, audit: auditOf(c, ip) });
    return c.body(null, 204);
  });

  return app;
};

/** Nobody has logged in yet: the link is the whole authority. */
export const auditOf = (c: Context<AppEnv>, ip: string | undefined): Audit => ({
  actor: "link",
  request_id: c.var.requestId,
  ip: ip ?? null,
});

/** The answer to whoever has logged in, or has to show a second factor first. */
export const showLogin = (begun: BegunSession | Challenge): LoggedIn =>
  "pair" in begun ? showTokens(begun) : { ...begun, expires_in: codeSeconds };

/** The answer to whoever has begun or continued a session. */
export const showTokens = ({ pair, accountId, ...times }: BegunSession): SessionTokens => ({
  access_token: pair.access,
  access_expires_at: toTime(times.access_expires_at),
  refresh_token: pair.refresh,
  refresh_expires_at: toTime(times.refresh_expires_at),
  account_id: accountId,
  is_verified: times.is_verified,
});
