import type { Db } from "../../packages/db/src/connect.ts";
import { quoteName } from "./former.ts";
import { findTables } from "./former-tables.ts";
import type { Mapping } from "./mapping.ts";
import { parseMapping } from "./mapping.ts";
import { type Offers, readOffers } from "./offers.ts";
import { connectFormer, listRelations } from "./open-former.ts";
import { findSystem } from "./systems/find-system.ts";

/** A mapping to begin with, and what a person has to add to it. */
export type Suggestion = { mapping: Record<string, unknown>; notes: string[] };

/**
 * Looks at a former database and writes down what can be known: which tables and columns are
 * missing, which plans are named, and which of ours are called the same.
 */
export async function suggestMapping(
  db: Db,
  { formerUrl, system, schema }: { formerUrl: string; system: Mapping["system"]; schema: string },
): Promise<Suggestion> {
  const { tables: specs, plans } = findSystem(system);
  const offers = await readOffers(db);
  const sql = connectFormer(formerUrl);
  try {
    const { tables, faults } = findTables(specs, await listRelations(sql, schema), {});
    const names = new Set<string>();
    for (const [table, column] of plans) {
      const found = tables[table];
      const theirs = found?.columns[column];
      if (!found || !theirs) continue;
      const rows = await sql.unsafe<{ name: string | null }[]>(
        `SELECT DISTINCT t.${quoteName(theirs.name)}::text AS name
         FROM ${quoteName(schema)}.${quoteName(found.name)} t LIMIT 200`,
      );
      for (const { name } of rows) if (name !== null) names.add(name);
    }
    const rules = [...names].sort().map((name) => [name, findRule(name, offers)] as const);
    const unknown = rules.filter(([, rule]) => rule === undefined);
    const mapping = {
      source: system,
      system,
      ...(schema !== "public" && { schema }),
      plans: Object.fromEntries(rules.filter(([, rule]) => rule !== undefined)),
    };
    return {
      mapping: parseMapping(mapping),
      notes: [
        ...faults,
        ...unknown.map(([name]) => `Say what plan ${name} is here: plans.${name}.`),
      ],
    };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Ours of the same name; what is free there needs none. */
function findRule(name: string, offers: Offers) {
  const product = offers.findProduct(name) ?? offers.findProduct(name.toLowerCase());
  if (product) return product.is_default ? ("none" as const) : { product: product.key };
  return /(^|_)free$/i.test(name) ? ("none" as const) : undefined;
}
