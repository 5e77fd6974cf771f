import type { Mapping } from "./mapping.ts";

/** What we call a column: its other names, and whether a system without it is not the one meant. */
type ColumnSpec = { names: string[]; isRequired: boolean };
export type TableSpec = { isOptional: boolean; columns: Record<string, ColumnSpec> };

/** A relation of the former database: its columns with their types, as PostgreSQL writes them. */
export type Relation = { name: string; columns: Record<string, string> };
/** What a table of ours is there: its name, and each of our columns that it has. */
export type FoundTable = { name: string; columns: Record<string, { name: string; type: string }> };
export type FoundTables = Record<string, FoundTable>;

/**
 * A table by its documented columns: `id! email|email_address`. `!`: it must be there; after `|`
 * what else it may be called. Case and underscores make no difference.
 */
export function table(columns: string, { isOptional = false } = {}): TableSpec {
  const entries = columns
    .trim()
    .split(/\s+/)
    .map((text) => {
      const names = text.replace("!", "").split("|");
      return [names[0] ?? "", { names, isRequired: text.includes("!") }] as const;
    });
  return { isOptional, columns: Object.fromEntries(entries) };
}

const plain = (name: string) => name.toLowerCase().replaceAll("_", "");
const isSame = (one: string, other: string) => plain(one) === plain(other);

/** Finds a system's tables and columns, by the mapping's names first; and says what is missing. */
export function findTables(
  specs: Record<string, TableSpec>,
  relations: Relation[],
  mapping: Mapping["tables"],
): { tables: FoundTables; faults: string[] } {
  const tables: FoundTables = {};
  const faults: string[] = [];
  for (const [name, spec] of Object.entries(specs)) {
    const named = mapping[name];
    const relation = findRelation(relations, name, named?.name);
    if (!relation) {
      if (!spec.isOptional || named) faults.push(`There is no table ${named?.name ?? name}.`);
      continue;
    }
    tables[name] = { name: relation.name, columns: {} };
    for (const [column, { names, isRequired }] of Object.entries(spec.columns)) {
      const wanted = named?.columns[column];
      const found = findColumn(relation, wanted === undefined ? names : [wanted]);
      if (found) tables[name].columns[column] = found;
      else if (isRequired || wanted !== undefined) {
        faults.push(`Table ${relation.name} has no column ${wanted ?? column}.`);
      }
    }
    const strange = Object.keys(named?.columns ?? {}).filter((column) => !spec.columns[column]);
    faults.push(...strange.map((column) => `Nothing is read from ${name}.${column}.`));
  }
  const strange = Object.keys(mapping).filter((name) => !specs[name]);
  faults.push(...strange.map((name) => `Nothing is read from a table ${name}.`));
  return { tables, faults };
}

/** Prisma's models may be tables of their own name, in the singular. */
function findRelation(relations: Relation[], name: string, given?: string) {
  if (given !== undefined) return relations.find((one) => one.name === given);
  return (
    relations.find((one) => isSame(one.name, name)) ??
    relations.find((one) => isSame(`${one.name}s`, name))
  );
}

function findColumn({ columns }: Relation, names: string[]) {
  for (const name of names) {
    const entry = Object.entries(columns).find(([key]) => isSame(key, name));
    if (entry) return { name: entry[0], type: entry[1] };
  }
  return undefined;
}
