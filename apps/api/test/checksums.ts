import type { Db } from "@ducat/db/connect";

/** A checksum of the rows that each tenant has in each table, by `table tenant`. */
export type Checksums = Map<string, string>;

/**
 * What says whose a row is: its account, else its login. Rows of nobody in particular are
 * `everybody`'s.
 */
const owners = ["account_id", "login_id"];

/** They count and remember for the machine: keys' last use is written now and then. */
const volatile = { tables: ["rate_limits", "migrations"], columns: ["last_used_at"] };

/** Every row there is, as one number per table and tenant. */
export async function readChecksums(admin: Db): Promise<Checksums> {
  const tables = await admin<{ name: string; columns: string[] }[]>`
    SELECT c.relname AS name, array_agg(a.attname::text) AS columns FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'ducat'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relname = ANY (${volatile.tables}) GROUP BY 1`;
  const without = volatile.columns.map((column) => ` - '${column}'`).join("");
  const parts = tables.map(({ name, columns }) => {
    const owner = name === "accounts" || name === "logins" ? "id" : findOwner(columns);
    const whose = owner ? `t.${owner}::text` : "NULL";
    return `SELECT '${name} ' || coalesce(${whose}, 'everybody') AS at,
      count(*) || ':' || sum(hashtextextended((to_jsonb(t)${without})::text, 0)) AS sum
      FROM ducat.${name} t GROUP BY 1`;
  });
  const rows = await admin.unsafe<{ at: string; sum: string }[]>(parts.join("\nUNION ALL\n"));
  return new Map(rows.map(({ at, sum }) => [at, sum]));
}

const findOwner = (columns: string[]) => owners.find((owner) => columns.includes(owner));

/** Where the two differ, as `table tenant`. */
export function listChanges(before: Checksums, after: Checksums): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((at) => before.get(at) !== after.get(at))
    .sort();
}
