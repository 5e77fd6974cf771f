import type { Db } from "./connect.ts";
import { ask } from "./errors.ts";

export type Style = {
  id: string;
  version: number;
  name: string;
  description: string;
  category: string;
  kind: "image" | "text";
  cost: number;
  deadline_s: number;
};

/** The presets on offer, by category and name. */
export async function listStyles(db: Db): Promise<Style[]> {
  return ask(db<Style[]>`
    SELECT id, version, name, description, category, kind, cost, deadline_s
    FROM ducat.styles WHERE is_current AND is_active ORDER BY category, id`);
}

/** A preset on offer; undefined when there is none of this name. */
export async function findStyle(db: Db, id: string): Promise<Style | undefined> {
  const [style] = await ask(db<Style[]>`
    SELECT id, version, name, description, category, kind, cost, deadline_s
    FROM ducat.styles WHERE id = ${id} AND is_current AND is_active`);
  return style;
}
