import type postgres from "postgres";

/**
 * The schema `ducat` as text, from the catalogs: what a committed copy is compared with, so that no
 * change of a table, a right or a function goes in unseen. The same on every supported PostgreSQL:
 * the body of uuid_v7, which is the server's own where it has one, is left out, and so is what an
 * owner may do with its own things. Reads only.
 */
export async function readSchema(sql: postgres.Sql): Promise<string> {
  return sql.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY", readSchemaWithin);
}

/** What readSchema reads, in a transaction of the caller's; changes its search path. */
export async function readSchemaWithin(
  tx: Pick<postgres.TransactionSql, "unsafe">,
): Promise<string> {
  // Nothing on the path: every name is written in full, whoever reads.
  await tx.unsafe("SET LOCAL search_path = ''");
  const sections: string[] = [];
  for (const [title, query] of Object.entries(queries)) {
    const rows = await tx.unsafe<{ line: string }[]>(query);
    sections.push([`# ${title}`, ...rows.map((row) => row.line)].join("\n"));
  }
  return `${sections.join("\n\n")}\n`;
}

const inDucat = (column: string) => `${column} = 'ducat'::regnamespace`;

/** Who else may do what: `role=PRIVILEGE,PRIVILEGE role=…`. A null list means the defaults. */
const grants = (list: string, kind: string, owner: string) => `
  coalesce((SELECT string_agg(who || '=' || what, ' ' ORDER BY who COLLATE "C") FROM (
    SELECT coalesce(r.rolname, 'PUBLIC') AS who,
           string_agg(a.privilege_type || CASE WHEN a.is_grantable THEN '*' ELSE '' END, ','
                      ORDER BY a.privilege_type COLLATE "C") AS what
    FROM aclexplode(coalesce(${list}, acldefault('${kind}', ${owner}))) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE a.grantee <> ${owner} GROUP BY 1) AS given), 'nobody')`;

const options = (list: string) =>
  `coalesce(' with (' || array_to_string(${list}, ', ') || ')', '')`;

/** One query a section; each gives its lines in order, by names in bytes, not by locale. */
const queries: Record<string, string> = {
  schema: `
    SELECT format('%s owner %s; %s', nspname, pg_get_userbyid(nspowner),
                  ${grants("nspacl", "n", "nspowner")}) AS line
    FROM pg_namespace WHERE nspname = 'ducat'`,

  types: `
    SELECT format('%s enum (%s) owner %s', t.typname,
                  string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder),
                  pg_get_userbyid(t.typowner)) AS line
    FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
    WHERE ${inDucat("t.typnamespace")} GROUP BY t.oid ORDER BY t.typname COLLATE "C"`,

  "tables and views": `
    SELECT format('%s %s owner %s%s%s; %s', relname,
                  CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table'
                               WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                               WHEN 'S' THEN 'sequence' ELSE relkind::text END,
                  pg_get_userbyid(relowner), ${options("reloptions")},
                  CASE WHEN relrowsecurity THEN ' row security' ELSE '' END ||
                  CASE WHEN relforcerowsecurity THEN ' forced' ELSE '' END,
                  ${grants("relacl", "r", "relowner")}) AS line
    FROM pg_class WHERE ${inDucat("relnamespace")} AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    ORDER BY relname COLLATE "C"`,

  columns: `
    SELECT format('%s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
                  coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) AS line
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE ${inDucat("c.relnamespace")} AND c.relkind IN ('r', 'p', 'v', 'm')
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname COLLATE "C", a.attnum`,

  // Newer servers list NOT NULL here too; the columns have it.
  constraints: `
    SELECT format('%s.%s %s%s', c.relname, k.conname, pg_get_constraintdef(k.oid),
                  CASE WHEN k.convalidated THEN '' ELSE ' not validated' END) AS line
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE ${inDucat("k.connamespace")} AND k.contype <> 'n'
    ORDER BY c.relname COLLATE "C", k.conname COLLATE "C"`,

  indexes: `
    SELECT pg_get_indexdef(i.indexrelid)
           || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END AS line
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE ${inDucat("c.relnamespace")} ORDER BY c.relname COLLATE "C"`,

  triggers: `
    SELECT pg_get_triggerdef(t.oid)
           || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' enabled ' || t.tgenabled::text END AS line
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE ${inDucat("c.relnamespace")} AND NOT t.tgisinternal
    ORDER BY c.relname COLLATE "C", t.tgname COLLATE "C"`,

  policies: `
    SELECT format('%s.%s %s for %s to %s using (%s) check (%s)', tablename, policyname,
                  lower(permissive), lower(cmd), roles, qual, with_check) AS line
    FROM pg_policies WHERE schemaname = 'ducat'
    ORDER BY tablename COLLATE "C", policyname COLLATE "C"`,

  "view definitions": `
    SELECT format(E'%s\\n%s', relname, pg_get_viewdef(oid)) AS line
    FROM pg_class WHERE ${inDucat("relnamespace")} AND relkind IN ('v', 'm')
    ORDER BY relname COLLATE "C"`,

  functions: `
    SELECT format(E'%s(%s)\\n  returns %s\\n  %s %s %s%s%s%s%s\\n  body %s; %s', p.proname,
                  pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
                  pg_get_userbyid(p.proowner), l.lanname,
                  CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable'
                                     ELSE 'volatile' END,
                  CASE WHEN p.proisstrict THEN ' strict' ELSE '' END,
                  CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END,
                  ${options("p.proconfig")},
                  CASE WHEN p.pronargdefaults > 0
                    THEN format('; the last %s optional', p.pronargdefaults) ELSE '' END,
                  CASE p.proname WHEN 'uuid_v7' THEN 'of the server' ELSE md5(p.prosrc) END,
                  ${grants("p.proacl", "f", "p.proowner")}) AS line
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE ${inDucat("p.pronamespace")}
    ORDER BY p.proname COLLATE "C", pg_get_function_identity_arguments(p.oid) COLLATE "C"`,

  "rights on what the owner makes next": `
    SELECT format('%s %s; %s', pg_get_userbyid(d.defaclrole),
                  CASE d.defaclobjtype WHEN 'f' THEN 'functions' WHEN 'r' THEN 'tables'
                                       ELSE d.defaclobjtype::text END,
                  ${grants("d.defaclacl", "f", "d.defaclrole")}) AS line
    FROM pg_default_acl d WHERE pg_get_userbyid(d.defaclrole) = 'ducat_owner'
    ORDER BY d.defaclobjtype, d.defaclnamespace`,
};
