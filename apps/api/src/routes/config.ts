import {
  listSettings,
  resetSetting,
  type Seen,
  type SettingRow,
  setSetting,
} from "@ducat/db/config";
import {
  type PublicConfig,
  readSetting,
  type Setting,
  type SettingKey,
  settingKeys,
  settings,
} from "@ducat/types/config";
import { DomainError } from "@ducat/types/errors";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { z } from "zod";
import { auditOf } from "../audit.ts";
import { requireScope } from "../auth.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/config.ts";
import { refuseFaults } from "../problem.ts";

/** What operators set while everything runs. */
export const configRoutes = ({ db, cache }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  const read = async (key: SettingKey): Promise<Setting> => {
    const rows = await listSettings(db);
    return show(
      key,
      rows.find((row) => row.key === key),
    );
  };
  // The database has told every process; this one shall know before its answer is out.
  const forget = () => cache.forget(["settings"]);

  app.openapi(operations.list, async (c) => {
    const rows = await listSettings(db);
    const data = settingKeys.map((key) => {
      const row = rows.find((one) => one.key === key);
      return show(key, row);
    });
    return c.json({ data }, 200);
  });

  app.openapi(operations.get, async (c) => {
    return c.json(await read(getKey(c.req.valid("param").key)), 200);
  });

  app.openapi(operations.set, async (c) => {
    const key = getKey(c.req.valid("param").key);
    const { value, updated_at: seen } = c.req.valid("json");
    const change = { value: checkValue(key, value), seen: seen as Seen, audit: auditOf(c) };
    await setSetting(db, key, change);
    await forget();
    return c.json(await read(key), 200);
  });

  app.openapi(operations.reset, async (c) => {
    const key = getKey(c.req.valid("param").key);
    const { updated_at: seen } = c.req.valid("query");
    await resetSetting(db, key, { seen, audit: auditOf(c) });
    await forget();
    return c.json(await read(key), 200);
  });

  return app;
};

/** How long a process may believe a setting that front ends ask for; changes tell it at once. */
const lifeMs = 60_000;

/** What anybody may know of the settings. */
export const publicConfigRoutes = ({ db, cache }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(operations.getPublic, async (c) => {
    const found = await cache.getOrSet<PublicConfig>("settings", {
      ttlMs: lifeMs,
      tags: ["settings"],
      load: async () => {
        const rows = await listSettings(db);
        const stored = rows.find(({ key }) => key === "trial_credits")?.value;
        return { trial_credits: readSetting("trial_credits", stored) };
      },
    });
    return c.json(found, 200);
  });
  return app;
};

/** Rows of our own are no settings. Errors: not_found. */
function getKey(key: string): SettingKey {
  const known = settingKeys.find((one) => one === key);
  if (known) return known;
  throw new DomainError("not_found");
}

/** Errors: validation_failed, with the place in the body. */
function checkValue(key: SettingKey, value: unknown): unknown {
  const schema: z.ZodType = settings[key].schema;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refuseFaults(
    parsed.error.issues.map(({ path, message }) => ({ path: ["value", ...path], message })),
  );
}

function show(key: SettingKey, row: SettingRow | undefined): Setting {
  const { default: standard, description, isPublic } = settings[key];
  return {
    key,
    value: readSetting(key, row?.value),
    default: standard,
    description,
    is_public: isPublic,
    is_set: row?.updated_by != null,
    updated_at: row?.updated_at.toISOString() ?? null,
    updated_by: row?.updated_by ?? null,
  };
}
