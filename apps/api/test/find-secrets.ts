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
  const all = Object.entries(secrets);
  const found = all.filter(([, secret]) => isIn(log, secret)).map(([name]) => `${name} in log`);
  const [codes, texts] = [
    all.filter(([, one]) => isCode(one)),
    all.filter(([, one]) => !isCode(one)),
  ];
  const names = [...texts, ...codes].map(([name]) => name);
  const hex = ([, text]: [string, string]) => Buffer.from(text).toString("hex");
  for (const { name: table } of tables) {
    const rows = await db.admin.unsafe<{ at: number }[]>(
      `WITH rows AS MATERIALIZED (SELECT t::text AS row FROM ${table} AS t)
       SELECT at::int FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s (text, hex, at)
       WHERE EXISTS (SELECT FROM rows WHERE strpos(row, text) > 0 OR strpos(row, hex) > 0)
       UNION ALL
       SELECT $4::int + at::int FROM unnest($3::text[]) WITH ORDINALITY AS s (pattern, at)
       WHERE EXISTS (SELECT FROM rows WHERE row ~ pattern) ORDER BY 1`,
      [
        texts.map(([, text]) => text),
        texts.map(hex),
        codes.map(([, code]) => toPattern(code)),
        texts.length,
      ],
    );
    found.push(...rows.map(({ at }) => `${names[at - 1]} in ${table}`));
  }
  return found;
}

const isCode = (secret: string) => /^\d{1,8}$/.test(secret);
const toPattern = (code: string) => `(^|[^0-9.])${code}([^0-9]|$)`;
const isIn = (log: string, secret: string) =>
  isCode(secret) ? new RegExp(toPattern(secret)).test(log) : log.includes(secret);
