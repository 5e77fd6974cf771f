import { findProfile, updateProfile } from "@ducat/db/profiles";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import { auditOfServer } from "../audit.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { createExporter } from "../export-account.ts";
import * as operations from "../operations/me.ts";
import { refuseAt } from "../problem.ts";
import { showMe } from "../show-account.ts";

export const meRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, urlSigner } = deps;
  const exportAccount = createExporter(deps);
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("profile"), requireAccount(findAccount));

  const show = async (accountId: string) => {
    const profile = await findProfile(db, accountId);
    if (!profile) throw new DomainError("not_found");
    return showMe(profile, urlSigner);
  };

  app.openapi(operations.get, async (c) => c.json(await show(c.var.accountId), 200));

  app.openapi(operations.update, async (c) => {
    const { accountId } = c.var;
    const change = { ...c.req.valid("json"), audit: auditOfServer(c) };
    await updateProfile(db, accountId, change).catch((error: unknown) => {
      throw isUnknownUpload(error)
        ? refuseAt("/avatar", "There is no such upload, or it has expired.")
        : error;
    });
    return c.json(await show(accountId), 200);
  });

  // A stream is not the object that its description promises, as far as types go.
  app.openAPIRegistry.registerPath(operations.exportMe as RouteConfig);
  app.get(operations.exportMe.path, async (c) => {
    const headers = {
      "content-type": "application/json",
      "content-disposition": 'attachment; filename="ducat-export.json"',
      "cache-control": "no-store",
    };
    // HEAD is answered by this handler too, and nobody would read its stream.
    if (c.req.raw.method === "HEAD") return c.body(null, 200, headers);
    return c.body(await exportAccount(c.var.accountId, c.env?.outgoing), 200, headers);
  });

  return app;
};

const isUnknownUpload = (error: unknown) =>
  error instanceof DomainError && error.detail.extra?.what === "upload";
