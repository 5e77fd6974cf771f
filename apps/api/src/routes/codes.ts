import { OpenAPIHono } from "@hono/zod-openapi";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { answerChallenge } from "../logins/second-factor.ts";
import { codeSeconds, sendCode } from "../logins/send-code.ts";
import { resetPasswordWithCode, useCode } from "../logins/use-code.ts";
import * as operations from "../operations/codes.ts";
import { auditOf, showLogin, showTokens } from "./logins.ts";

/** Codes by telephone and of authenticators, before there is a session. */
export const codeRoutes = ({ logins, proxyHops }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();

  app.openapi(operations.send, async (c) => {
    await sendCode(logins, { ...c.req.valid("json"), ip: readClientIp(c, proxyHops) });
    return c.json({ expires_in: codeSeconds }, 202);
  });

  app.openapi(operations.verify, async (c) => {
    const ip = readClientIp(c, proxyHops);
    const caller = {
      ip,
      userAgent: c.req.header("user-agent"),
      audit: { ...auditOf(c, ip), actor: "code" },
    };
    const given = c.req.valid("json");
    if (given.purpose === "password_reset") {
      await resetPasswordWithCode(logins, { ...given, ...caller });
      return c.body(null, 204);
    }
    return c.json(showLogin(await useCode(logins, { ...given, ...caller })), 200);
  });

  app.openapi(operations.answerChallenge, async (c) => {
    const ip = readClientIp(c, proxyHops);
    const userAgent = c.req.header("user-agent");
    const begun = await answerChallenge(logins, { ...c.req.valid("json"), ip, userAgent });
    return c.json(showTokens(begun), 200);
  });

  return app;
};
