import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageDir, readMigrations } from "./migration-files.ts";
import {
  findIndexFileFaults,
  findMigrationFaults,
  type MigrationRule,
  migrationRules,
  onlyValidates,
} from "./migration-rules.ts";
import { splitStatements } from "./split-sql.ts";

/** What is refused and was done all the same, with the reason why nobody waited for it. */
const accepted: Record<string, [MigrationRule, string][]> = {
  "0002_people": [["constraint-validated", "blobs had no more rows than uploads of one day"]],
  "0003_entitlements": [
    ["constraint-validated", "blobs and api_keys are small, and the release had no traffic yet"],
  ],
};

describe("the migrations", () => {
  it("keep the rules, but for what is accepted with a reason", async () => {
    const steps = await readMigrations(packageDir);
    const faults = steps.flatMap(({ name, text }) => {
      const allowed = new Set(accepted[name]?.map(([rule]) => rule));
      return findMigrationFaults(text)
        .filter(({ rule }) => !allowed.has(rule))
        .map((fault) => ({ file: name, ...fault, why: migrationRules[fault.rule] }));
    });
    expect(faults).toEqual([]);
    expect(steps.length).toBeGreaterThan(4);
  });

  it("have no acceptance that nothing needs any more", async () => {
    const texts = new Map((await readMigrations(packageDir)).map((step) => [step.name, step.text]));
    const unused = Object.entries(accepted).flatMap(([name, rules]) => {
      const found = new Set(findMigrationFaults(texts.get(name) ?? "").map(({ rule }) => rule));
      return rules.filter(([rule]) => !found.has(rule)).map(([rule]) => `${name} ${rule}`);
    });
    expect(unused).toEqual([]);
  });

  it("wait for tables in the order in which an item's end takes them", async () => {
    const hot = ["generations", "generation_items", "credit_accounts", "credit_grants", "outbox"];
    const steps = (await readMigrations(packageDir)).filter(({ name }) => name > "0006");
    const taken = steps.map(({ text }) => {
      const names = [...text.matchAll(/ALTER TABLE "?ducat"?\."?(\w+)/g)].map(([, name]) => name);
      return hot.filter((name) => names.includes(name)).map((name) => names.indexOf(name));
    });
    // The other way round each waits for the other under load, and clients are refused.
    expect(taken).toEqual(taken.map((places) => [...places].sort((a, b) => a - b)));
    expect(taken[0]?.length).toBe(2);
  });

  it("leave indexes on tables that exist to files of one concurrent statement each", async () => {
    const names = await readdir(join(packageDir, "sql"));
    const files = names.filter((name) => name.endsWith(".concurrent.sql"));
    const texts = files.map((name) => readFile(join(packageDir, "sql", name), "utf8"));
    expect((await Promise.all(texts)).flatMap(findIndexFileFaults)).toEqual([]);
    expect(files.length).toBeGreaterThan(5);
  });
});

const bad: [MigrationRule, string][] = [
  ["index-not-concurrent", 'CREATE INDEX "a_b" ON "ducat"."accounts" ("name")'],
  ["index-not-concurrent", "CREATE UNIQUE INDEX a_b ON ducat.accounts USING btree (name)"],
  ["index-not-concurrent", "CREATE TABLE ducat.t (a int); CREATE INDEX x ON ducat.u (a)"],
  ["concurrently-in-migration", "CREATE INDEX CONCURRENTLY a_b ON ducat.accounts (name)"],
  ["concurrently-in-migration", "DROP INDEX CONCURRENTLY ducat.a_b"],
  ["default-not-constant", "ALTER TABLE ducat.accounts ADD COLUMN a uuid DEFAULT ducat.uuid_v7()"],
  [
    "default-not-constant",
    "ALTER TABLE ducat.accounts ADD COLUMN a timestamptz DEFAULT clock_timestamp() NOT NULL",
  ],
  ["default-not-constant", "ALTER TABLE ducat.accounts ADD COLUMN a float DEFAULT random()"],
  ["default-not-constant", "ALTER TABLE ducat.accounts ADD a int DEFAULT nextval('ducat.s')"],
  ["column-not-null", 'ALTER TABLE "ducat"."accounts" ADD COLUMN "a" text NOT NULL'],
  ["column-not-null", "alter table ducat.accounts add column if not exists a text not null"],
  ["column-not-null", "ALTER TABLE ducat.accounts ADD COLUMN a int, ADD COLUMN b int NOT NULL"],
  [
    "column-computed",
    "ALTER TABLE ducat.accounts ADD COLUMN a text GENERATED ALWAYS AS (lower(name)) STORED",
  ],
  ["column-computed", "ALTER TABLE ducat.accounts ADD COLUMN a bigserial"],
  ["column-computed", "ALTER TABLE ducat.accounts ALTER COLUMN a ADD GENERATED ALWAYS AS IDENTITY"],
  ["column-constraint", "ALTER TABLE ducat.images ADD COLUMN a uuid REFERENCES ducat.albums (id)"],
  ["column-constraint", "ALTER TABLE ducat.images ADD COLUMN a int CHECK (a > 0)"],
  ["column-constraint", "ALTER TABLE ducat.images ADD COLUMN a int UNIQUE"],
  ["not-null-scan", 'ALTER TABLE "ducat"."accounts" ALTER COLUMN "name" SET NOT NULL'],
  ["constraint-validated", "ALTER TABLE ducat.images ADD CONSTRAINT c CHECK (a IN ('x', 'y'))"],
  [
    "constraint-validated",
    "ALTER TABLE ducat.images ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES ducat.albums (id)",
  ],
  ["constraint-validated", "ALTER TABLE ducat.images ADD CHECK (a > 0)"],
  [
    "validate-not-alone",
    `ALTER TABLE ducat.images ADD CONSTRAINT c CHECK (a > 0) NOT VALID;
     ALTER TABLE ducat.images VALIDATE CONSTRAINT c`,
  ],
  ["key-not-by-index", "ALTER TABLE ducat.images ADD CONSTRAINT c UNIQUE (a)"],
  ["key-not-by-index", "ALTER TABLE ducat.images ADD PRIMARY KEY (a)"],
  ["key-not-by-index", "ALTER TABLE ducat.images ADD CONSTRAINT c EXCLUDE USING gist (a WITH =)"],
  ["type-change", 'ALTER TABLE "ducat"."accounts" ALTER COLUMN "name" SET DATA TYPE varchar(50)'],
  ["type-change", "ALTER TABLE ducat.payments ALTER amount TYPE numeric USING amount::numeric"],
  ["rename", "ALTER TABLE ducat.accounts RENAME COLUMN name TO title"],
  ["rename", "ALTER TABLE ducat.accounts RENAME TO people"],
  ["rename", "ALTER TYPE ducat.item_status RENAME VALUE 'failed' TO 'broken'"],
  ["rename", "ALTER TABLE ducat.accounts SET SCHEMA other"],
  ["column-dropped", 'ALTER TABLE "ducat"."accounts" DROP COLUMN "name"'],
  ["column-dropped", "ALTER TABLE ducat.accounts ADD COLUMN x int, DROP COLUMN IF EXISTS name"],
  ["table-dropped", "DROP TABLE ducat.albums"],
  ["table-dropped", "TRUNCATE ducat.albums"],
  ["constraint-dropped", "ALTER TABLE ducat.blobs DROP CONSTRAINT blobs_purpose"],
  ["default-dropped", "ALTER TABLE ducat.accounts ALTER COLUMN is_active DROP DEFAULT"],
  ["rows-changed", "UPDATE ducat.accounts SET name = 'x'"],
  ["rows-changed", "DELETE FROM ducat.outbox"],
  ["rows-changed", "INSERT INTO ducat.albums (id) SELECT id FROM ducat.images"],
  ["rows-changed", "WITH x AS (SELECT 1) UPDATE ducat.accounts SET name = 'x'"],
  ["table-rewritten", "ALTER TABLE ducat.albums SET UNLOGGED"],
  ["table-rewritten", "LOCK TABLE ducat.albums"],
  ["table-rewritten", "VACUUM FULL ducat.albums"],
  ["timeout-changed", "SET lock_timeout = '1min'"],
  ["timeout-changed", "SET LOCAL statement_timeout TO 0"],
  ["transaction-changed", "COMMIT"],
  ["statement-unknown", "DO $$ BEGIN UPDATE ducat.accounts SET name = 'x'; END $$"],
  ["statement-unknown", "SELECT ducat.repair()"],
  ["statement-unknown", "ALTER TABLE ducat.accounts DISABLE TRIGGER ALL"],
  [
    "statement-unknown",
    "CREATE TRIGGER t BEFORE UPDATE ON ducat.accounts FOR EACH ROW EXECUTE FUNCTION ducat.f()",
  ],
];

const good = [
  `CREATE UNLOGGED TABLE "ducat"."t" ("id" uuid PRIMARY KEY NOT NULL);
   CREATE INDEX "t_id" ON "ducat"."t" ("id")`,
  "ALTER TABLE ducat.outbox ALTER COLUMN a SET DEFAULT NULL",
  `CREATE TABLE "ducat"."t" ("id" uuid DEFAULT ducat.uuid_v7() NOT NULL, CHECK (id <> 'x;'));
   --> statement-breakpoint
   CREATE INDEX "t_id" ON "ducat"."t" USING btree ("id");
   ALTER TABLE "ducat"."t" ADD CONSTRAINT "f" FOREIGN KEY ("id") REFERENCES "ducat"."u"("id")`,
  "ALTER TABLE ducat.accounts ADD COLUMN a text, ADD COLUMN b jsonb DEFAULT '{}'::jsonb NOT NULL",
  "ALTER TABLE ducat.accounts ADD COLUMN a text[] DEFAULT '{}' NOT NULL",
  "ALTER TABLE ducat.accounts ADD COLUMN a numeric(10, 2) DEFAULT -1.5",
  "ALTER TABLE ducat.accounts ADD COLUMN a boolean DEFAULT false NOT NULL",
  "ALTER TABLE ducat.accounts ADD COLUMN a timestamp with time zone",
  `ALTER TABLE ducat.blobs DROP CONSTRAINT blobs_purpose;
   ALTER TABLE ducat.blobs ADD CONSTRAINT blobs_purpose CHECK (purpose IN ('a', 'b')) NOT VALID`,
  "ALTER TABLE ducat.blobs VALIDATE CONSTRAINT blobs_purpose",
  "ALTER TABLE ducat.blobs ADD CONSTRAINT c UNIQUE USING INDEX blobs_c",
  "ALTER TYPE ducat.entry_type ADD VALUE 'import'",
  "INSERT INTO ducat.admin_config (key, value) VALUES ('UPDATE ducat.accounts', '3')",
  "-- UPDATE ducat.accounts SET name = 'x';\n/* DROP TABLE /* nested */ ducat.t; */",
  "COMMENT ON COLUMN ducat.accounts.name IS 'DROP TABLE'",
];

describe("findMigrationFaults", () => {
  it.each(bad)("refuses by name, %s: %s", (rule, sql) => {
    expect(findMigrationFaults(sql).map((fault) => fault.rule)).toEqual([rule]);
  });

  it("has a bad statement for every rule", () => {
    const named = new Set<string>(bad.map(([rule]) => rule)).add("index-file");
    expect([...named].sort()).toEqual(Object.keys(migrationRules).sort());
  });

  it.each(good)("allows %s", (sql) => {
    expect(findMigrationFaults(sql)).toEqual([]);
  });

  it("says where the statement stands", () => {
    const [fault] = findMigrationFaults("-- a comment\n\nCREATE TABLE t (a int);\n\nCOMMIT;\n");
    expect(fault).toEqual({ rule: "transaction-changed", line: 5, statement: "COMMIT" });
  });
});

describe("findIndexFileFaults", () => {
  it.each([
    "CREATE INDEX CONCURRENTLY a ON ducat.accounts (name)",
    "CREATE INDEX IF NOT EXISTS a ON ducat.accounts (name)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON accounts (name)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON ducat.accounts (name); SELECT 1",
    "UPDATE ducat.accounts SET name = 'x'",
    "",
  ])("refuses %s", (sql) => {
    expect(findIndexFileFaults(sql)).toMatchObject([{ rule: "index-file" }]);
  });
});

describe("onlyValidates", () => {
  it("tells a migration that only validates from one that does more, or nothing", () => {
    const validate = "ALTER TABLE ducat.blobs VALIDATE CONSTRAINT c;";
    expect(onlyValidates(`-- why\n${validate}--> statement-breakpoint\n${validate}`)).toBe(true);
    expect(onlyValidates(`${validate} CREATE TABLE ducat.t (a int);`)).toBe(false);
    expect(onlyValidates("-- nothing")).toBe(false);
  });
});

describe("splitStatements", () => {
  it("keeps what stands in strings, dollar quotes and quoted names together", () => {
    const sql = `SELECT ';''', E'\\';', $$ a; $x$ b; $$, $x$ ; $$ ; $x$, "a;""b"; SELECT $1;`;
    expect(splitStatements(sql).map(({ text }) => text)).toEqual([
      sql.slice(0, sql.indexOf("; SELECT $1")),
      "SELECT $1",
    ]);
  });

  it("ends what is left open at the end of the text", () => {
    expect(splitStatements("SELECT 1 /* open; ")).toEqual([{ text: "SELECT 1", line: 1 }]);
    expect(splitStatements("SELECT 'open; $a$")).toHaveLength(2);
  });
});
