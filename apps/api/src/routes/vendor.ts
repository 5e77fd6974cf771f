import { findProfile } from "@ducat/db/profiles";
import { findVendor, saveVendor } from "@ducat/db/vendors";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOfServer } from "../audit.ts";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/vendor.ts";
import { showVendor } from "../show-account.ts";

export const vendorRoutes = ({ db }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("profile"), requireAccount(findAccount));

  app.openapi(operations.get, async (c) => {
    const { accountId } = c.var;
    const [profile, vendor] = await Promise.all([
      findProfile(db, accountId),
      findVendor(db, accountId),
    ]);
    if (profile?.kind !== "vendor") {
      throw new DomainError("invalid_state", { extra: { reason: "kind" } });
    }
    return c.json(showVendor(accountId, vendor), 200);
  });

  app.openapi(operations.save, async (c) => {
    const { accountId } = c.var;
    const profile = { ...c.req.valid("json"), audit: auditOfServer(c) };
    return c.json(showVendor(accountId, await saveVendor(db, accountId, profile)), 200);
  });

  return app;
};
