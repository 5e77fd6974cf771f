import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { generateDrizzleJson, generateMigration } from "drizzle-kit/api";
import { describe, expect, it } from "vitest";
import journal from "../drizzle/meta/_journal.json" with { type: "json" };
import { cloneDatabase } from "../test/clone.ts";
import { makeEmptyDatabase } from "../test/empty-database.ts";
import { migrate } from "./migrate.ts";
import { packageDir } from "./migration-files.ts";
import { readSchema } from "./snapshot.ts";

const readText = (path: string) => readFile(join(packageDir, path), "utf8");

describe("schema.snapshot.txt", () => {
  it("is what a migrated database has", async () => {
    const database = await cloneDatabase();
    const schema = await readSchema(database.admin).finally(() => database.close());
    expect(schema, "run `pnpm db:snapshot` and read the difference").toBe(
      await readText("schema.snapshot.txt"),
    );
  });
});

describe("readSchema", () => {
  const changes = [
    "ALTER TABLE ducat.accounts ADD COLUMN extra text",
    "ALTER TABLE ducat.accounts ALTER COLUMN kind DROP NOT NULL",
    "ALTER TABLE ducat.credit_grants DROP CONSTRAINT credit_grants_amounts",
    "CREATE INDEX extra ON ducat.accounts (name)",
    "ALTER TYPE ducat.entry_type ADD VALUE 'extra'",
    "ALTER TABLE ducat.credit_entries DISABLE TRIGGER append_only",
    "DROP TRIGGER append_only ON ducat.audit_logs",
    "ALTER TABLE ducat.outbox NO FORCE ROW LEVEL SECURITY",
    "ALTER POLICY own_account ON ducat.outbox USING (true)",
    "GRANT UPDATE ON ducat.credit_accounts TO ducat_app",
    "GRANT EXECUTE ON FUNCTION ducat.open_account TO PUBLIC",
    "ALTER FUNCTION ducat.claw_back SECURITY INVOKER",
    "ALTER FUNCTION ducat.claw_back RESET search_path",
    "ALTER VIEW ducat.credit_grant_balances SET (security_invoker = false)",
    "ALTER TABLE ducat.credit_accounts RESET (fillfactor)",
    "GRANT CREATE ON SCHEMA ducat TO ducat_app",
    "ALTER TABLE ducat.styles OWNER TO ducat_worker",
    `CREATE OR REPLACE FUNCTION ducat.current_account() RETURNS uuid
     LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT NULL::uuid'`,
  ];

  it("sees every kind of change", async () => {
    const { url, admin } = await makeEmptyDatabase();
    await migrate({ url });
    let before = await readSchema(admin);
    for (const change of changes) {
      await admin.unsafe(change);
      const after = await readSchema(admin);
      expect(after, change).not.toBe(before);
      before = after;
    }
  });
});

describe("the migrations", () => {
  it("are complete: drizzle-kit would generate nothing new", async () => {
    const last = `${journal.entries.at(-1)?.idx ?? 0}`.padStart(4, "0");
    const previous = JSON.parse(await readText(`drizzle/meta/${last}_snapshot.json`));
    const files = await readdir(join(packageDir, "src/schema"));
    const parts = await Promise.all(
      files.map((file) => import(pathToFileURL(join(packageDir, "src/schema", file)).href)),
    );
    const current = generateDrizzleJson(Object.assign({}, ...parts), previous.id, ["ducat"]);
    expect(await generateMigration(previous, current), "run `pnpm db:generate`").toEqual([]);
  });
});
