import { ResetPassword, VerifyEmail } from "@ducat/types/logins";
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { Context } from "hono";
import { assertType, readBytes } from "../body.ts";
import { readClientIp } from "../client-ip.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { answerLoginPage, type LoginPage } from "../login-page.ts";
import { resetPassword, verifyEmail } from "../logins/use-links.ts";
import * as operations from "../operations/login-pages.ts";
import { toRefusal } from "../problem.ts";
import { auditOf } from "./logins.ts";

const formBytes = 4096;
const formType = /^application\/x-www-form-urlencoded(?:\s*;\s*charset="?utf-8"?)?$/i;

/** The pages that mailed links lead to. The address only shows a form; the form does it. */
export const loginPageRoutes = (deps: Deps) => {
  const { logins, log, proxyHops } = deps;
  const app = new OpenAPIHono<AppEnv>();
  for (const operation of Object.values(operations)) {
    app.openAPIRegistry.registerPath(operation as unknown as RouteConfig);
  }
  app.onError((error, c) => {
    const { code } = toRefusal(error);
    if (code === "invalid_state" || code === "validation_failed") {
      return answerLoginPage(c, { page: "ended", status: 410 });
    }
    if (code === "internal" || code === "unavailable") {
      log.error({ err: error, req_id: c.var.requestId }, "a page failed");
    }
    return answerLoginPage(c, { page: "later", status: code === "rate_limited" ? 429 : 503 });
  });
  const show = (page: LoginPage) => (c: Context<AppEnv>) =>
    answerLoginPage(c, { page, status: 200, token: c.req.query("token") ?? "" });
  const callerOf = (c: Context<AppEnv>) => {
    const ip = readClientIp(c, proxyHops);
    return { ip, audit: auditOf(c, ip) };
  };

  app.get("/verify-email", show("verify"));
  app.post("/verify-email", async (c) => {
    const form = VerifyEmail.safeParse(await readForm(c));
    if (!form.success) return answerLoginPage(c, { page: "ended", status: 410 });
    await verifyEmail(logins, { ...form.data, ...callerOf(c) });
    return answerLoginPage(c, { page: "verified", status: 200 });
  });

  app.get("/reset-password", show("reset"));
  app.post("/reset-password", async (c) => {
    const sent = await readForm(c);
    const form = ResetPassword.safeParse(sent);
    // Nothing was used up: the same link takes another password.
    if (!form.success) {
      return answerLoginPage(c, { page: "weak", status: 422, token: sent.token ?? "" });
    }
    await resetPassword(logins, { ...form.data, ...callerOf(c) });
    return answerLoginPage(c, { page: "changed", status: 200 });
  });

  return app;
};

async function readForm(c: Context<AppEnv>): Promise<Record<string, string>> {
  assertType(c, formType);
  const bytes = await readBytes(c, formBytes);
  return Object.fromEntries(new URLSearchParams(bytes.toString("utf8")));
}
