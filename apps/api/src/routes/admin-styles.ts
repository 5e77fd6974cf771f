import {
  findStyleVersion,
  listCurrentStyles,
  listStyleVersions,
  publishStyle,
  type StyleVersion as Row,
  restoreStyle,
  setStyleActive,
} from "@ducat/db/styles";
import type { StyleVersion } from "@ducat/types/admin-styles";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import { cutPage, makeCursor, readCursor } from "../cursor.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/admin-styles.ts";
import { toTime } from "../show-generation.ts";

/** Presets and their versions. */
export const adminStyleRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.list, async (c) => {
    const styles = await listCurrentStyles(db);
    return c.json({ data: styles.map(show) }, 200);
  });

  app.openapi(operations.listVersions, async (c) => {
    const { id } = c.req.valid("param");
    const { limit, cursor } = c.req.valid("query");
    const before = readCursor("version", cursor);
    const found = await listStyleVersions(db, id, {
      before: before === undefined ? undefined : Number(before),
      limit: limit + 1,
    });
    if (before === undefined && found.length === 0) throw new DomainError("not_found");
    const toCursor = ({ version }: Row) => makeCursor("version", version);
    const { entries, next_cursor } = cutPage(found, limit, toCursor);
    return c.json({ data: entries.map(show), next_cursor }, 200);
  });

  app.openapi(operations.get, async (c) => {
    const style = await findStyleVersion(db, c.req.valid("param").id);
    return c.json(show(getFound(style)), 200);
  });

  app.openapi(operations.getVersion, async (c) => {
    const { id, version } = c.req.valid("param");
    return c.json(show(getFound(await findStyleVersion(db, id, version))), 200);
  });

  app.openapi(operations.create, async (c) => {
    const style = c.req.valid("json");
    return c.json(show(await publishStyle(db, style, { isNew: true, audit: auditOf(c) })), 201);
  });

  app.openapi(operations.publish, async (c) => {
    const style = { id: c.req.valid("param").id, ...c.req.valid("json") };
    return c.json(show(await publishStyle(db, style, { isNew: false, audit: auditOf(c) })), 200);
  });

  app.openapi(operations.restore, async (c) => {
    const { version } = c.req.valid("json");
    const { id } = c.req.valid("param");
    return c.json(show(await restoreStyle(db, id, { version, audit: auditOf(c) })), 200);
  });

  for (const [operation, isActive] of [
    [operations.activate, true],
    [operations.deactivate, false],
  ] as const) {
    app.openapi(operation, async (c) => {
      const { id } = c.req.valid("param");
      return c.json(show(await setStyleActive(db, id, { isActive, audit: auditOf(c) })), 200);
    });
  }

  return app;
};

function getFound(style: Row | undefined): Row {
  if (style) return style;
  throw new DomainError("not_found");
}

const show = (row: Row): StyleVersion => ({ ...row, created_at: toTime(row.created_at) });
