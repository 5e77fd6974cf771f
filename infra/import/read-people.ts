import type { ImportRow } from "../../packages/db/src/imports.ts";
import type { Counts, Former, Part, Row } from "./former.ts";
import { toImportRow } from "./read-person.ts";
import { hashRows } from "./read-values.ts";
import type { Context, Drive, DrivePart, Person, System } from "./system.ts";

/** Somebody as they would be moved in, and what speaks against it. */
export type Draft = { row: ImportRow; faults: string[]; warnings: string[] };

/** Everybody of a former system, `size` at a time, in the order of their ids. */
export async function* readPeople(
  former: Former,
  system: System,
  { context, size }: { context: Context; size: number },
): AsyncGenerator<Draft[]> {
  for (const drive of system.drives) {
    for await (const ids of former.listPeople(drive.ids, size)) {
      yield await readBatch(former, { drive, system, ids }, context);
    }
  }
}

async function readBatch(
  former: Former,
  { drive, system, ids }: { drive: Drive; system: System; ids: string[] },
  context: Context,
): Promise<Draft[]> {
  const rows = await readRows(former, { drive, ids }, context);
  const counts = await readCounts(former, { drive, ids }, context);
  return ids.map((id) => {
    const person: Person = {
      id,
      kind: drive.kind,
      rows: mapValues(rows, (found) => found.get(id) ?? []),
      counts: mapValues(counts, (found) => found.get(id) ?? {}),
    };
    const parts = system.read(person, context);
    const checksums = mapValues(drive.parts, (tables) =>
      hashRows(tables.flatMap(({ table }) => person.rows[table] ?? [])),
    );
    const row = toImportRow(
      person,
      { table: drive.name, checksums },
      { parts, locale: context.mapping.accounts.locale },
    );
    // An id that ours can't hold would be somebody else's, cut short.
    const faults = id.length > 255 ? ["id_too_long", ...parts.faults] : parts.faults;
    return { row, faults, warnings: parts.warnings };
  });
}

async function readRows(
  former: Former,
  { drive, ids }: { drive: Drive; ids: string[] },
  { now }: Context,
): Promise<Record<string, Map<string, Row[]>>> {
  const found: Record<string, Map<string, Row[]>> = {};
  for (const part of Object.values(drive.parts).flat()) {
    if (!former.has(part.table)) continue;
    found[part.table] = await former.listRows(dated(part, now), ids);
  }
  return found;
}

function dated({ table, owner, daysOf }: DrivePart, now: Date): Part {
  if (!daysOf) return { table, owner };
  const at = new Date(now.getTime() - daysOf.days * 86_400_000);
  return { table, owner, since: { column: daysOf.column, at } };
}

async function readCounts(
  former: Former,
  { drive, ids }: { drive: Drive; ids: string[] },
  { now }: Context,
): Promise<Record<string, Map<string, Counts>>> {
  const found: Record<string, Map<string, Counts>> = {};
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  for (const { table, owner, by, isOfMonth } of drive.counts) {
    if (!former.has(table)) continue;
    const since = isOfMonth ? { since: { column: "created_at", at: month } } : {};
    found[table] = await former.countRows({ table, owner, by, ...since }, ids);
  }
  return found;
}

const mapValues = <T, R>(values: Record<string, T>, map: (value: T) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
