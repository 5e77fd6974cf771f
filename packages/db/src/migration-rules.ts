import { splitStatements } from "./split-sql.ts";

/**
 * What a migration may not do while the former release works on the same tables, by name. The
 * order of releases is: add, fill in batches, switch, and drop one release later.
 */
export const migrationRules = {
  "index-not-concurrent": "blocks writes while it is built: put it into sql/*.concurrent.sql",
  "concurrently-in-migration": "can't run in a migration's transaction: sql/*.concurrent.sql",
  "default-not-constant": "is worked out for each row, which writes the table anew",
  "column-not-null": "fails on the rows that exist: give a constant default",
  "column-computed": "writes the table anew",
  "column-constraint": "checks each row under the heaviest lock: add it NOT VALID afterwards",
  "not-null-scan":
    "reads the whole table under the heaviest lock: CHECK … NOT VALID, validate later",
  "constraint-validated":
    "reads the whole table: add it NOT VALID and validate in a later migration",
  "validate-not-alone": "belongs into a migration of its own, after the one that added it",
  "key-not-by-index": "builds an index under a lock: concurrently first, then USING INDEX",
  "type-change": "writes the table anew, and the former release expects the old type",
  rename: "the former release still uses the old name",
  "column-dropped": "the former release still reads it: drop it one release later",
  "table-dropped": "the former release still reads it: drop it one release later",
  "constraint-dropped": "is only for one that comes back wider in the same migration",
  "default-dropped": "the former release's inserts rely on it",
  "rows-changed": "holds locks for as long as it lasts: fill in bounded batches, as an upkeep task",
  "table-rewritten": "writes the table anew under the heaviest lock",
  "timeout-changed": "is the runner's business",
  "transaction-changed": "the runner commits each migration as a whole",
  "statement-unknown": "is not known to be harmless: add it to the rules with its reason",
  "index-file": "is one CREATE INDEX CONCURRENTLY IF NOT EXISTS name ON ducat.table",
} as const;

export type MigrationRule = keyof typeof migrationRules;
export type MigrationFault = { rule: MigrationRule; line: number; statement: string };

/** Whether a migration only validates constraints: it may take long, since it blocks nobody. */
export function onlyValidates(text: string): boolean {
  const statements = splitStatements(text, { mask: true });
  return statements.length > 0 && statements.every((statement) => validates(statement.text));
}

/** What a migration does that the rules refuse; tables that it makes itself are free. */
export function findMigrationFaults(text: string): MigrationFault[] {
  const statements = splitStatements(text, { mask: true });
  const made = new Set(
    statements.flatMap(
      (statement) => /^CREATE (?:UNLOGGED )?TABLE (\S+)/i.exec(statement.text)?.[1] ?? [],
    ),
  );
  const readded = new Set(
    statements.flatMap(({ text: sql }) => /ADD CONSTRAINT (\w+)/i.exec(sql)?.[1] ?? []),
  );
  const isAlone = statements.every((statement) => validates(statement.text));
  return statements.flatMap(({ text: sql, line }) =>
    judgeStatement(sql, { made, readded, isAlone }).map((rule) => ({
      rule,
      line,
      statement: sql.slice(0, 200),
    })),
  );
}

/** The same for a file of sql/*.concurrent.sql, which runs outside of any transaction. */
export function findIndexFileFaults(text: string): MigrationFault[] {
  const statements = splitStatements(text, { mask: true });
  const [first] = statements;
  const form =
    /^CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS \w+ ON ducat\.\w+ (USING \w+ )?\(/i;
  if (statements.length === 1 && first && form.test(first.text)) return [];
  const statement = statements.map((each) => each.text).join("; ");
  return [{ rule: "index-file", line: first?.line ?? 1, statement: statement.slice(0, 200) }];
}

type Context = {
  made: Set<string>;
  /** Names of constraints that the file adds. */
  readded: Set<string>;
  isAlone: boolean;
};

const validates = (sql: string) => /^ALTER TABLE \S+ VALIDATE CONSTRAINT \w+$/i.test(sql);

const harmless = [
  /^CREATE (TABLE|UNLOGGED TABLE|TYPE|SEQUENCE|SCHEMA|DOMAIN) /i,
  /^COMMENT ON /i,
  /^ALTER TYPE \S+ ADD VALUE /i,
];

/** By what a statement begins with; the first that fits. */
const refused: [RegExp, MigrationRule][] = [
  [/\bCONCURRENTLY\b/i, "concurrently-in-migration"],
  [/^(BEGIN|START|COMMIT|END|ROLLBACK|SAVEPOINT|ABORT|PREPARE)\b/i, "transaction-changed"],
  [/^(SET|RESET)\b.*timeout/i, "timeout-changed"],
  [/^(UPDATE|DELETE|MERGE|COPY)\b/i, "rows-changed"],
  [/^WITH\b.*\b(UPDATE|DELETE|INSERT)\b/i, "rows-changed"],
  [/^DROP (TABLE|VIEW|MATERIALIZED VIEW|TYPE|SEQUENCE|SCHEMA)\b/i, "table-dropped"],
  [/^TRUNCATE\b/i, "table-dropped"],
  [/^(VACUUM|CLUSTER|REINDEX|LOCK|REFRESH)\b/i, "table-rewritten"],
  [/^ALTER (TYPE|INDEX|SEQUENCE|VIEW|SCHEMA) .*\bRENAME\b/i, "rename"],
];

function judgeStatement(sql: string, context: Context): MigrationRule[] {
  if (harmless.some((form) => form.test(sql))) return [];
  const [, rule] = refused.find(([form]) => form.test(sql)) ?? [];
  if (rule !== undefined) return [rule];
  const onTable = /^CREATE (?:UNIQUE )?INDEX .*? ON (?:ONLY )?([\w.]+)/i.exec(sql)?.[1];
  if (onTable !== undefined) return context.made.has(onTable) ? [] : ["index-not-concurrent"];
  const trigger = /^CREATE (?:OR REPLACE )?TRIGGER .*? ON ([\w.]+)/i.exec(sql)?.[1];
  if (trigger !== undefined) return context.made.has(trigger) ? [] : ["statement-unknown"];
  if (/^INSERT INTO [\w.]+ (\([^)]*\) )?VALUES\b/i.test(sql)) return [];
  if (/^INSERT\b/i.test(sql)) return ["rows-changed"];
  const table = /^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?([\w.]+) (.*)$/i.exec(sql);
  if (table === null) return ["statement-unknown"];
  const [, name = "", actions = ""] = table;
  if (context.made.has(name)) return [];
  return splitActions(actions).flatMap((action) => judgeAction(action, context) ?? []);
}

/** ALTER TABLE's actions: what stands between commas outside of brackets. */
function splitActions(text: string): string[] {
  let depth = 0;
  const actions = [""];
  for (const character of text) {
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (character === "," && depth === 0) actions.push("");
    else actions.push((actions.pop() ?? "") + character);
  }
  return actions.map((action) => action.trim());
}

const harmlessActions = [
  /^ALTER (COLUMN )?\w+ (SET DEFAULT|DROP NOT NULL|SET STATISTICS|SET STORAGE)\b/i,
  /^(SET|RESET) \(/i,
  /^(ENABLE|FORCE) ROW LEVEL SECURITY$/i,
  /^ADD CONSTRAINT \w+ (CHECK|FOREIGN KEY)\b.*\bNOT VALID$/i,
  /^ADD CONSTRAINT \w+ (UNIQUE|PRIMARY KEY) USING INDEX \w+$/i,
];

const refusedActions: [RegExp, MigrationRule][] = [
  [/^RENAME\b/i, "rename"],
  [/^SET SCHEMA\b/i, "rename"],
  [/^ALTER (COLUMN )?\w+ (SET DATA )?TYPE\b/i, "type-change"],
  [/^ALTER (COLUMN )?\w+ SET NOT NULL$/i, "not-null-scan"],
  [/^ALTER (COLUMN )?\w+ DROP DEFAULT$/i, "default-dropped"],
  [/^ALTER (COLUMN )?\w+ (ADD GENERATED|SET EXPRESSION|DROP EXPRESSION)\b/i, "column-computed"],
  [/^ADD (CONSTRAINT \w+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b/i, "key-not-by-index"],
  [/^ADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY|NOT NULL)\b/i, "constraint-validated"],
  [/^SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD|WITHOUT CLUSTER)\b/i, "table-rewritten"],
  [/^DROP (COLUMN )?(IF EXISTS )?(?!CONSTRAINT\b)\w+/i, "column-dropped"],
];

function judgeAction(action: string, context: Context): MigrationRule | undefined {
  if (harmlessActions.some((form) => form.test(action))) return undefined;
  if (/^VALIDATE CONSTRAINT \w+$/i.test(action)) {
    return context.isAlone ? undefined : "validate-not-alone";
  }
  const dropped = /^DROP CONSTRAINT (?:IF EXISTS )?(\w+)/i.exec(action)?.[1];
  if (dropped !== undefined) {
    return context.readded.has(dropped) ? undefined : "constraint-dropped";
  }
  const [, rule] = refusedActions.find(([form]) => form.test(action)) ?? [];
  if (rule !== undefined) return rule;
  const column = /^ADD (?:COLUMN )?(?:IF NOT EXISTS )?\w+ (.*)$/i.exec(action)?.[1];
  return column === undefined ? "statement-unknown" : judgeColumn(column);
}

/** A literal, with or without a cast: PostgreSQL keeps it in the catalog and touches no row. */
const constant =
  /^\(?(NULL|TRUE|FALSE|-?\d+(\.\d+)?|''|ARRAY\[\])\)?(::[\w.]+( \w+)*(\(\d+\))?(\[\])?)?$/i;

function judgeColumn(definition: string): MigrationRule | undefined {
  if (/\bGENERATED\b|^(small|big)?serial\b/i.test(definition)) return "column-computed";
  if (/\b(REFERENCES|CHECK|UNIQUE|PRIMARY KEY)\b/i.test(definition)) return "column-constraint";
  const value = /\bDEFAULT (.*?)(?: NOT NULL| NULL| COLLATE \S+)*$/i.exec(definition)?.[1];
  if (value !== undefined) return constant.test(value) ? undefined : "default-not-constant";
  return /\bNOT NULL\b/i.test(definition) ? "column-not-null" : undefined;
}
