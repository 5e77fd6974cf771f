import { listSettings, setSetting } from "../../packages/db/src/config.ts";
import type { Db } from "../../packages/db/src/connect.ts";
import type { Audit } from "../../packages/db/src/credits.ts";
import { findStyleVersion, publishStyle, type StyleContent } from "../../packages/db/src/styles.ts";
import { SettingKey, settings } from "../../packages/types/src/config.ts";
import { DomainError } from "../../packages/types/src/errors.ts";
import type { Former, Row } from "./former.ts";
import type { Mapping } from "./mapping.ts";
import { readText } from "./read-values.ts";
import type { ImportReport } from "./report.ts";

type Deps = { db: Db; audit: Audit; mapping: Mapping; isDryRun: boolean };

const longestPrompt = 8000;

/**
 * Publishes presets that are not here; one of the same id stays as it is. The mapping says what
 * makes them here and what they cost: theirs were made by something else.
 */
export async function importStyles(
  { db, audit, mapping, isDryRun }: Deps,
  former: Former,
  { styles }: ImportReport,
): Promise<void> {
  if (mapping.styles === null) return;
  for (const row of await former.listAll("styles")) {
    const style = readStyle(row, mapping.styles);
    const key = `styles:${readText(row.id, 100)}`;
    if (typeof style === "string") styles.refused.push({ key, reason: style });
    else if (await findStyleVersion(db, style.id)) styles.known.push(style.id);
    else {
      if (!isDryRun) await publishStyle(db, style, { isNew: true, audit });
      styles.created.push(style.id);
    }
  }
}

/** The preset, or why it can be none. */
function readStyle(row: Row, how: NonNullable<Mapping["styles"]>): StyleContent | string {
  const name = readText(row.name, 200);
  const prompt = readText(row.prompt_template, longestPrompt + 1);
  if (name === null) return "name_missing";
  const id = (readText(row.slug, 100) ?? name)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^_+|_+$/g, "");
  if (!/^[a-z][a-z0-9_]{0,49}$/.test(id)) return "name_unusable";
  if (row.is_active === false) return "not_on_offer";
  if (prompt === null || prompt.length > longestPrompt) return "prompt_unusable";
  return {
    id,
    name,
    description: readText(row.description, 1000) ?? name,
    prompt,
    params: {},
    deadline_s: 900,
    max_attempts: 3,
    ...how,
  };
}

/** Sets what the mapping names of their admin_config, but nothing that an operator has set here. */
export async function importSettings(
  { db, audit, mapping, isDryRun }: Deps,
  former: Former,
  { settings: report }: ImportReport,
): Promise<void> {
  const wanted = Object.entries(mapping.config);
  if (wanted.length === 0) return;
  const theirs = await former.listAll("admin_config");
  const ours = await listSettings(db);
  for (const [theirKey, ourKey] of wanted) {
    const key = SettingKey.safeParse(ourKey).data;
    const row = theirs.find((one) => one.key === theirKey);
    const value = row && key ? settings[key].schema.safeParse(row.value) : undefined;
    const current = ours.find((one) => one.key === key);
    if (!key || !value?.success) {
      const reason = !key ? "unknown_setting" : row ? "value_unusable" : "not_there";
      report.refused.push({ key: `admin_config:${theirKey}`, reason });
    } else if (current?.updated_by || current?.value === value.data) report.known.push(key);
    else {
      if (!isDryRun) await setOnce(db, key, { value: value.data, audit });
      report.set.push(key);
    }
  }
}

/** An operator who sets it at the same moment goes first. */
async function setOnce(
  db: Db,
  key: SettingKey,
  { value, audit }: { value: unknown; audit: Audit },
) {
  try {
    const seen = (await listSettings(db)).find((one) => one.key === key)?.updated_at;
    await setSetting(db, key, { value, seen: seen?.toISOString() ?? null, audit });
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== "invalid_state") throw error;
  }
}
