import { checkCatalog } from "@ducat/billing/catalog";
import {
  type CatalogDocument,
  findCatalogVersion,
  listCatalogVersions,
  type CatalogVersion as Row,
} from "@ducat/db/catalog";
import { pushCatalogEverywhere } from "@ducat/payments/push-catalog";
import type { CatalogPush, CatalogVersion } from "@ducat/types/admin-catalog";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/admin-catalog.ts";
import { refuseFaults } from "../problem.ts";

/** What is sold, and what was. */
export const adminCatalogRoutes = ({ db, payments, mode, cache }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  const push = async (
    c: Context<AppEnv>,
    document: CatalogDocument,
    dryRun: boolean,
  ): Promise<CatalogPush> => {
    const checked = checkCatalog(document);
    if ("faults" in checked) throw refuseFaults(checked.faults);
    const how = { catalog: checked.catalog, document, dryRun, audit: auditOf(c) };
    const deps = { db, mode, pushPrices: payments.pushPrices };
    const { stripe, database, ...rest } = await pushCatalogEverywhere(deps, how);
    // The database has told every process; this one shall know before its answer is out.
    if (!dryRun) await cache.forget(["entitlements", "settings"]);
    return { ...rest, changes: database, prices: stripe };
  };

  app.openapi(operations.get, async (c) => {
    return c.json(show(getFound(await findCatalogVersion(db))), 200);
  });

  app.openapi(operations.listVersions, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const last = readCursor("version", cursor);
    const before = last === undefined ? undefined : Number(last);
    const found = await listCatalogVersions(db, { before, limit: limit + 1 });
    const toCursor = ({ version }: { version: number }) => makeCursor("version", version);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    const data = entries.map((one) => ({ ...one, pushed_at: one.pushed_at.toISOString() }));
    return c.json({ data, next_cursor }, 200);
  });

  app.openapi(operations.getVersion, async (c) => {
    const { version } = c.req.valid("param");
    return c.json(show(getFound(await findCatalogVersion(db, version))), 200);
  });

  app.openapi(operations.push, async (c) => {
    const dryRun = c.req.valid("query").dry_run === "true";
    return c.json(await push(c, c.req.valid("json"), dryRun), 200);
  });

  app.openapi(operations.restore, async (c) => {
    const dryRun = c.req.valid("query").dry_run === "true";
    const { document } = getFound(await findCatalogVersion(db, c.req.valid("json").version));
    if (document) return c.json(await push(c, document, dryRun), 200);
    throw new DomainError("invalid_state", { extra: { reason: "no_document" } });
  });

  return app;
};

function getFound(row: Row | undefined): Row {
  if (row) return row;
  throw new DomainError("not_found");
}

const show = (row: Row): CatalogVersion => ({ ...row, pushed_at: row.pushed_at.toISOString() });
