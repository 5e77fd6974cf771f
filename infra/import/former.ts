import type postgres from "postgres";
import type { FoundTables } from "./former-tables.ts";

/** A row of theirs by our names of its columns, as JSON has it. */
export type Row = Record<string, unknown>;
export type Ids = readonly (readonly [table: string, column: string])[];

/** Where people are named, and what is theirs. Everything is read from one snapshot. */
export type Former = {
  has(table: string, column?: string): boolean;
  /** Who is named in any of these columns, 500 at a time. One reading at a time. */
  listPeople(ids: Ids, size: number): AsyncGenerator<string[]>;
  /** Rows by the person they are of; `since`: only those of a later time. */
  listRows(part: Part, ids: string[]): Promise<Map<string, Row[]>>;
  /** How many rows there are of each, by a column's value. */
  countRows(part: Part & { by?: string }, ids: string[]): Promise<Map<string, Counts>>;
  /** All rows of a small table; an Error where there are more than `most`. */
  listAll(table: string, most?: number): Promise<Row[]>;
  sum(table: string, column: string): Promise<number>;
};

export type Part = { table: string; owner: string; since?: { column: string; at: Date } };
export type Counts = Record<string, number>;

/** A batch of people has no more rows of a kind. */
const mostRows = 200_000;

/** A name of theirs, whatever is in it. */
export const quoteName = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** The reader of the tables that were found, within a transaction of the former database. */
export function createFormer(tx: postgres.ISql, schema: string, tables: FoundTables): Former {
  const names = createNames(schema, tables);
  const { has, column, from, rowOf, ownerOf } = names;
  return {
    has,
    listPeople: (ids, size) => listPeople(tx, names, { ids, size }),
    async listRows(part, ids) {
      const rows = await ask<{ owner: string; row: Row }>(tx, names, {
        part,
        ids,
        select: `SELECT ${ownerOf(part)} AS owner, ${rowOf(part.table)} AS row`,
        rest: `LIMIT ${mostRows + 1}`,
      });
      if (rows.length > mostRows) throw new Error(`Too many rows of ${part.table} at once.`);
      return groupRows(rows);
    },
    async countRows({ by, ...part }, ids) {
      const isThere = by !== undefined && has(part.table, by);
      const value = isThere ? `coalesce(${column(part.table, by)}::text, 'none')` : "'all'";
      const rows = await ask<{ owner: string; value: string; count: number }>(tx, names, {
        part,
        ids,
        select: `SELECT ${ownerOf(part)} AS owner, left(${value}, 50) AS value,
          count(*)::int AS count`,
        rest: "GROUP BY 1, 2",
      });
      const found = new Map<string, Counts>();
      for (const row of rows) {
        found.set(row.owner, { ...found.get(row.owner), [row.value]: row.count });
      }
      return found;
    },
    async listAll(name, most = 1000) {
      if (!has(name)) return [];
      const rows = await tx.unsafe<{ row: Row }[]>(
        `SELECT ${rowOf(name)} AS row FROM ${from(name)} LIMIT ${most + 1}`,
      );
      if (rows.length > most) throw new Error(`Table ${name} has more than ${most} rows.`);
      return rows.map(({ row }) => row);
    },
    async sum(name, of) {
      const [row] = await tx.unsafe<{ total: string }[]>(
        `SELECT coalesce(sum(greatest(${column(name, of)}, 0)), 0)::text AS total
         FROM ${from(name)}`,
      );
      return Number(row?.total ?? 0);
    },
  };
}

/** Our names as SQL has to write theirs. */
function createNames(schema: string, tables: FoundTables) {
  const get = (name: string) => {
    const found = tables[name];
    if (!found) throw new Error(`There is no table ${name}.`);
    return found;
  };
  const find = (name: string, column: string) => {
    const found = get(name).columns[column];
    if (!found) throw new Error(`There is no column ${name}.${column}.`);
    return found;
  };
  const column = (name: string, of: string) => `t.${quoteName(find(name, of).name)}`;
  const has = (name: string, of?: string) =>
    tables[name] !== undefined && (of === undefined || tables[name].columns[of] !== undefined);
  return {
    has,
    column,
    typeOf: (name: string, of: string) => find(name, of).type,
    from: (name: string) => `${quoteName(schema)}.${quoteName(get(name).name)} t`,
    ownerOf: ({ table, owner }: Part) => `${column(table, owner)}::text`,
    rowOf: (name: string) => {
      const pairs = Object.keys(get(name).columns).map(
        (ours) => `'${ours}', ${column(name, ours)}`,
      );
      return `jsonb_build_object(${pairs.join(", ")})`;
    },
  };
}
type Names = ReturnType<typeof createNames>;

async function* listPeople(
  tx: postgres.ISql,
  { has, column, from }: Names,
  { ids, size }: { ids: Ids; size: number },
): AsyncGenerator<string[]> {
  const named = ids.filter(([name, of]) => has(name, of));
  const parts = named.map(([name, of]) => `SELECT ${column(name, of)} AS id FROM ${from(name)}`);
  await tx.unsafe(`DECLARE people NO SCROLL CURSOR FOR
    SELECT id::text AS id FROM (${parts.join(" UNION ")}) AS p
    WHERE id IS NOT NULL ORDER BY p.id`);
  for (;;) {
    const rows = await tx.unsafe<{ id: string }[]>(`FETCH ${size} FROM people`);
    if (rows.length === 0) break;
    yield rows.map(({ id }) => id);
  }
  await tx.unsafe("CLOSE people");
}

/** Rows of these people: by an index where theirs has one, whatever type the ids are of. */
function ask<R>(
  tx: postgres.ISql,
  { has, column, typeOf, from }: Names,
  { part, ids, select, rest }: { part: Part; ids: string[]; select: string; rest: string },
) {
  const { table, owner, since } = part;
  const dated = since && has(table, since.column) ? since : undefined;
  const values = `SELECT value::${typeOf(table, owner)}
    FROM jsonb_array_elements_text($1::text::jsonb)`;
  const newer = dated ? `AND ${column(table, dated.column)} >= $2::text::timestamptz` : "";
  return tx.unsafe<(R & postgres.Row)[]>(
    `${select} FROM ${from(table)}
     WHERE ${column(table, owner)} = ANY (ARRAY(${values})) ${newer} ${rest}`,
    [JSON.stringify(ids), ...(dated ? [dated.at.toISOString()] : [])],
  );
}

function groupRows(rows: { owner: string; row: Row }[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const { owner, row } of rows) {
    const list = found.get(owner);
    if (list) list.push(row);
    else found.set(owner, [row]);
  }
  return found;
}
