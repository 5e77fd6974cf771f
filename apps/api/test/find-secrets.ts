import type { Stage } from "./stage.ts";

/**
 * Where secrets are in clear: `log`, or the table; as text, and as bytes in hex. Codes of a few
 * digits are looked for as words, so that no time or amount passes for one.
 */
export async function findSecrets(
  { db, lines }: Stage,
  secrets: Record<string, string>,
): Promise<string[]> {
  const tables = await db.admin<{ name: string }[]>`
    SELECT format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      AND c.relkind IN ('r', 'p') ORDER BY 1`;
  const log = lines.join("");
  const found: string[] = [];
  for (const [name, secret] of Object.entries(secrets)) {
    if (new RegExp(toPattern(secret)).test(log)) found.push(`${name} in log`);
  }
  const patterns = Object.entries(secrets).map(([name, secret]) => [name, toPattern(secret)]);
  for (const { name: table } of tables) {
    const rows = await db.admin.unsafe<{ name: string }[]>(
      `SELECT DISTINCT s.name FROM ${table} AS t
       JOIN unnest($1::text[], $2::text[]) AS s (name, pattern) ON t::text ~ s.pattern`,
      [patterns.map(([name]) => name ?? ""), patterns.map(([, pattern]) => pattern ?? "")],
    );
    found.push(...rows.map(({ name }) => `${name} in ${table}`));
  }
  return found;
}

function toPattern(secret: string): string {
  if (/^\d{1,8}$/.test(secret)) return `(^|[^0-9.])${secret}([^0-9]|$)`;
  const plain = secret.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return `${plain}|${Buffer.from(secret).toString("hex")}`;
}
