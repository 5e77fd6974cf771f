import type { Fallback, Pricing } from "@ducat/types/pricing";
import type { Db } from "./connect.ts";
import type { Audit } from "./credits.ts";
import { ask } from "./errors.ts";

export type Style = {
  id: string;
  version: number;
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  /** Of an item; with a pricing, of a request without params. */
  cost: number;
  deadline_s: number;
  pricing: Pricing | null;
  cache_days: number;
};

/** The presets on offer, by category and name. */
export async function listStyles(db: Db): Promise<Style[]> {
  return ask(db<Style[]>`
    SELECT id, version, name, description, category, kind, cost, deadline_s, pricing, cache_days
    FROM ducat.styles WHERE is_current AND is_active ORDER BY category, id`);
}

/** A preset as its requests see it; `inputs` as they were published, null where there are none. */
export type OfferedStyle = Style & { inputs: unknown };

/** A preset on offer; undefined when there is none of this name. */
export async function findStyle(db: Db, id: string): Promise<OfferedStyle | undefined> {
  const [style] = await ask(db<OfferedStyle[]>`
    SELECT id, version, name, description, category, kind, cost, deadline_s, pricing, cache_days,
      params -> 'inputs' AS inputs
    FROM ducat.styles WHERE id = ${id} AND is_current AND is_active`);
  return style;
}

/** A version of a preset with all that operators see; times are ISO 8601 as PostgreSQL has them. */
export type StyleVersion = Style & {
  is_current: boolean;
  is_active: boolean;
  generator: string;
  prompt: string;
  params: Record<string, unknown>;
  max_attempts: number;
  /** Asked in turn when the generator is away. */
  fallbacks: Fallback[];
  created_at: string;
  published_by: string | null;
};

/** The current version of every preset, on offer or not, by category and id. */
export async function listCurrentStyles(db: Db): Promise<StyleVersion[]> {
  const rows = await ask(db<{ style: StyleVersion }[]>`
    SELECT to_jsonb(s) AS style FROM ducat.styles s WHERE is_current ORDER BY category, id`);
  return rows.map(({ style }) => style);
}

/** The newest versions of a preset, the current one first, before `before` when it is given. */
export async function listStyleVersions(
  db: Db,
  id: string,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<StyleVersion[]> {
  const rows = await ask(db<{ style: StyleVersion }[]>`
    SELECT to_jsonb(s) AS style FROM ducat.styles s
    WHERE id = ${id} AND (${before ?? null}::int IS NULL OR version < ${before ?? null}::int)
    ORDER BY version DESC LIMIT ${limit}`);
  return rows.map(({ style }) => style);
}

/** One version of a preset, the current one unless it is named; undefined when there is none. */
export async function findStyleVersion(
  db: Db,
  id: string,
  version?: number,
): Promise<StyleVersion | undefined> {
  const [row] = await ask(db<{ style: StyleVersion }[]>`
    SELECT to_jsonb(s) AS style FROM ducat.styles s
    WHERE id = ${id} AND CASE WHEN ${version ?? null}::int IS NULL THEN is_current
                              ELSE version = ${version ?? null}::int END`);
  return row?.style;
}

/** What an operator says of a preset; the caller has checked it. */
export type StyleContent = Pick<
  StyleVersion,
  | "id"
  | "name"
  | "description"
  | "category"
  | "kind"
  | "generator"
  | "prompt"
  | "params"
  | "cost"
  | "deadline_s"
  | "max_attempts"
> & {
  pricing?: Pricing | null | undefined;
  fallbacks?: Fallback[] | undefined;
  cache_days?: number | undefined;
};

/**
 * Publishes a preset: a new one, or the next version of one that is there, whose running
 * generations keep theirs. Errors: already_exists, not_found.
 */
export async function publishStyle(
  db: Db,
  style: StyleContent,
  { isNew, audit }: { isNew: boolean; audit: Audit },
): Promise<StyleVersion> {
  const [row] = await ask(db<{ style: StyleVersion }[]>`
    SELECT ducat.publish_style(${JSON.stringify(style)}::text::jsonb, ${isNew},
      ${JSON.stringify(audit)}::text::jsonb) AS style`);
  if (!row) throw new Error("publish_style returned nothing");
  return row.style;
}

/** Makes a former version's content the next version. Errors: not_found. */
export async function restoreStyle(
  db: Db,
  id: string,
  { version, audit }: { version: number; audit: Audit },
): Promise<StyleVersion> {
  const [row] = await ask(db<{ style: StyleVersion }[]>`
    SELECT ducat.restore_style(${id}, ${version},
      ${JSON.stringify(audit)}::text::jsonb) AS style`);
  if (!row) throw new Error("restore_style returned nothing");
  return row.style;
}

/** Puts a preset on offer or takes it off. Errors: not_found. */
export async function setStyleActive(
  db: Db,
  id: string,
  { isActive, audit }: { isActive: boolean; audit: Audit },
): Promise<StyleVersion> {
  const [row] = await ask(db<{ style: StyleVersion }[]>`
    SELECT ducat.set_style_active(${id}, ${isActive},
      ${JSON.stringify(audit)}::text::jsonb) AS style`);
  if (!row) throw new Error("set_style_active returned nothing");
  return row.style;
}
