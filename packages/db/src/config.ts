import type { SettingKey } from "@ducat/types/config";
import { settings } from "@ducat/types/config";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

/** A row of admin_config as it is stored; `updated_by` is null where no operator set it. */
export type SettingRow = {
  key: SettingKey;
  value: unknown;
  updated_at: Date;
  updated_by: string | null;
};

/** The rows of those settings that have one; what a row says is for readSetting to judge. */
export async function listSettings(db: Db): Promise<SettingRow[]> {
  const keys = Object.keys(settings);
  return ask(db<SettingRow[]>`
    SELECT key, value, updated_at, updated_by FROM ducat.admin_config WHERE key IN ${db(keys)}`);
}

/** What a writer has seen as `updated_at`; null: never set; left out: nobody compares. */
export type Seen = string | null | undefined;

const seenOf = (seen: Seen) => (seen === undefined ? null : JSON.stringify(seen));

/**
 * Sets a setting whose value was checked. Errors: invalid_state (reason: changed),
 * validation_failed (reason: value: over 16 KiB).
 */
export async function setSetting(
  db: Db,
  key: SettingKey,
  { value, seen, audit }: { value: unknown; seen: Seen; audit: Audit },
): Promise<void> {
  await ask(db`
    SELECT ducat.set_setting(${key}, ${JSON.stringify(value)}::text::jsonb,
      ${settings[key].isPublic}, ${seenOf(seen)}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb)`);
}

/** Takes a setting back; false when nobody had set it. Errors: invalid_state (reason: changed). */
export async function resetSetting(
  db: Db,
  key: SettingKey,
  { seen, audit }: { seen: Seen; audit: Audit },
): Promise<boolean> {
  const [row] = await ask(db<{ done: boolean }[]>`
    SELECT ducat.reset_setting(${key}, ${seenOf(seen)}::text::jsonb,
      ${JSON.stringify(audit)}::text::jsonb) AS done`);
  return row?.done ?? false;
}
