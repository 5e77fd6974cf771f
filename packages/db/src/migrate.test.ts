import { appendFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { copyMigrationFiles, makeEmptyDatabase } from "../test/empty-database.ts";
import { waitForLocks } from "../test/wait.ts";
import { migrate, readStatus } from "./migrate.ts";
import { readSchema } from "./snapshot.ts";

const foundation = "0000_foundation";
const broken = `CREATE TABLE ducat.half (id uuid);--> statement-breakpoint
CREATE INDEX half_id ON ducat.half (id);--> statement-breakpoint
SELECT 1 / 0;`;
const index = `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS accounts_name
ON ducat.accounts (name);`;
const addAccounts = `
  INSERT INTO ducat.accounts (kind, external_id, name) VALUES ('user', 'a', 'same'),
    ('user', 'b', 'same')`;

describe("migrate", () => {
  it("fills an empty database, and changes nothing the second time", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const applied = await migrate({ url, log });
    expect(applied).toContain(foundation);
    expect(applied.at(-1)).toBe("functions");
    expect(lines).toHaveLength(applied.length);
    const before = await readSchema(admin);
    const rows = await admin`SELECT * FROM ducat.migrations ORDER BY name`;
    expect(await migrate({ url, log })).toEqual([]);
    expect(await readSchema(admin)).toBe(before);
    expect(await admin`SELECT * FROM ducat.migrations ORDER BY name`).toEqual(rows);
    expect(lines).toHaveLength(applied.length);
  });

  it("leaves functions that are all valid, which it can't ask while it makes them", async () => {
    const { url, admin } = await makeEmptyDatabase();
    await migrate({ url });
    const functions = await admin<{ name: string; definition: string }[]>`
      SELECT proname AS name, pg_get_functiondef(oid) AS definition FROM pg_proc
      WHERE pronamespace = 'ducat'::regnamespace`;
    expect(functions.length).toBeGreaterThan(40);
    const session = await admin.reserve();
    await session`SET search_path = ducat, pg_temp`;
    for (const { name, definition } of functions) {
      await expect(session.unsafe(definition), name).resolves.toBeDefined();
    }
    session.release();
  });

  it("applies each step once when several processes start together", async () => {
    const { url } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await writeFile(join(dir, "sql/accounts-name.concurrent.sql"), index);
    const all = await Promise.all(Array.from({ length: 4 }, () => migrate({ url, dir })));
    const applied = all.flat();
    expect(new Set(applied).size).toBe(applied.length);
    expect(applied).toContain("functions");
    expect((await readStatus(url, dir)).ok).toBe(true);
  });

  it("tries again when another database's migration changes the cluster's roles", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const other = await admin.reserve();
    await other`BEGIN`;
    await other`ALTER ROLE ducat_queue PASSWORD 'one'`;
    const migrated = migrate({ url, passwords: { ducat_queue: "two" } });
    await waitForLocks(admin);
    await other`COMMIT`;
    other.release();
    expect(await migrated).toContain("functions");
  });

  it("undoes a migration that fails, keeps the ones before it and stops there", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await writeFile(join(dir, "drizzle/0900_broken.sql"), broken);
    await writeFile(join(dir, "drizzle/0901_next.sql"), "CREATE TABLE ducat.next (id uuid);");
    await expect(migrate({ url, dir })).rejects.toThrow("division by zero");
    const [made] = await admin`SELECT to_regclass('ducat.half') AS half,
      to_regclass('ducat.next') AS next, to_regclass('ducat.accounts')::text AS accounts`;
    expect(made).toEqual({ half: null, next: null, accounts: "ducat.accounts" });
    const status = await readStatus(url, dir);
    expect(status).toMatchObject({ changed: [], ok: false });
    // Concurrent indexes come after all migrations, so they are missing too.
    expect(status.missingIndexes).toContain("half_id");
    expect(status.pending).toEqual(["0900_broken", "0901_next", "functions"]);
    expect(status.applied).toContain(foundation);
    await rm(join(dir, "drizzle/0900_broken.sql"));
    expect(await migrate({ url, dir })).toEqual(["0901_next", "functions"]);
    expect((await readStatus(url, dir)).ok).toBe(true);
  });

  it("replaces functions and policies when one of their files changes", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await migrate({ url, dir });
    await appendFile(
      join(dir, "sql/policies.sql"),
      `\nCREATE OR REPLACE FUNCTION ducat.find_account_id(p_reference text) RETURNS uuid
      LANGUAGE sql AS $$ SELECT '00000000-0000-0000-0000-00000000000a'::uuid $$;`,
    );
    expect(await readStatus(url, dir)).toMatchObject({ changed: ["functions"], ok: false });
    expect(await migrate({ url, dir })).toEqual(["functions"]);
    expect((await readStatus(url, dir)).ok).toBe(true);
    const [found] = await admin`SELECT ducat.find_account_id('x')::text AS id`;
    expect(found?.id).toMatch(/a$/);
  });

  it("rebuilds a concurrent index that a failed build left invalid, and no other", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await migrate({ url, dir });
    await admin.unsafe(addAccounts);
    await writeFile(join(dir, "sql/accounts-name.concurrent.sql"), index);
    // An operator's own build, which failed as well, is the operator's.
    const own = "CREATE UNIQUE INDEX CONCURRENTLY own ON ducat.accounts (name)";
    await expect(admin.unsafe(own)).rejects.toThrow("own");
    expect(await readStatus(url, dir)).toMatchObject({ missingIndexes: ["accounts_name"] });
    await expect(migrate({ url, dir })).rejects.toThrow("accounts_name");
    const left = await readStatus(url, dir);
    expect(left).toMatchObject({ missingIndexes: [], ok: false });
    expect(left.invalidIndexes.sort()).toEqual(["accounts_name", "own"]);
    await admin`UPDATE ducat.accounts SET name = external_id`;
    await migrate({ url, dir });
    expect(await readStatus(url, dir)).toMatchObject({ invalidIndexes: ["own"] });
    await admin`DROP INDEX ducat.own`;
    expect((await readStatus(url, dir)).ok).toBe(true);
  });

  it("tries a step again that can't have its lock, and lets others pass meanwhile", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await migrate({ url, dir });
    await writeFile(
      join(dir, "drizzle/0900_column.sql"),
      "ALTER TABLE ducat.accounts ADD COLUMN extra text;",
    );
    const reader = await admin.reserve();
    await reader`BEGIN`;
    await reader`SELECT FROM ducat.accounts`;
    const lines: string[] = [];
    const log = (line: string) => {
      lines.push(line);
      // While it waits for another try nobody stands behind it.
      if (lines.length === 1) void admin.unsafe(addAccounts).then(() => reader`COMMIT`);
    };
    const applied = await migrate({ url, dir, log, stepPauseMs: 50 });
    expect(applied).toEqual(["0900_column"]);
    expect(lines[0]).toMatch(/^0900_column waits for its turn \(canceling .* lock timeout\)$/);
    expect(lines.at(-1)).toBe("applied 0900_column");
    reader.release();
    expect(await admin`SELECT extra FROM ducat.accounts`).toHaveLength(2);
  });

  it("replaces functions and policies while somebody reads the tables for long", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await migrate({ url, dir });
    await appendFile(join(dir, "sql/policies.sql"), "\n-- another text");
    const reader = await admin.reserve();
    await reader`BEGIN`;
    for (const table of ["accounts", "credit_accounts", "credit_entries", "generations"]) {
      await reader`SELECT FROM ducat.${reader(table)}`;
    }
    const lines: string[] = [];
    // Ended when it waits, so that a failure says what it waited for.
    const log = (line: string) => void (lines.push(line) === 1 && reader`COMMIT`.catch(() => {}));
    await migrate({ url, dir, log });
    reader.release();
    expect(lines).toEqual(["applied functions and policies"]);
  });

  it("puts a policy right that is not what it should be", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await migrate({ url, dir });
    const before = await readSchema(admin);
    await admin.unsafe(`
      ALTER POLICY own_account ON ducat.outbox USING (true);
      ALTER POLICY own_account ON ducat.images TO ducat_worker;
      DROP POLICY all_accounts ON ducat.payments;
      ALTER TABLE ducat.albums NO FORCE ROW LEVEL SECURITY;
      ALTER TABLE ducat.blobs DISABLE ROW LEVEL SECURITY`);
    expect(await readSchema(admin)).not.toBe(before);
    await appendFile(join(dir, "sql/policies.sql"), "\n-- another text");
    await migrate({ url, dir });
    expect(await readSchema(admin)).toBe(before);
  });

  it("refuses a concurrent file of two statements, which would run in a transaction", async () => {
    const { url } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await writeFile(join(dir, "sql/two.concurrent.sql"), index + index.replace("_name", "_two"));
    await expect(migrate({ url, dir })).rejects.toThrow("two.concurrent.sql must be one");
  });
});

describe("readStatus", () => {
  it("says before the first migration that all is pending", async () => {
    const { url, admin } = await makeEmptyDatabase();
    const status = await readStatus(url);
    expect(status).toMatchObject({ applied: [], changed: [], invalidIndexes: [], ok: false });
    expect(status.pending).toContain(foundation);
    expect(status.pending).toContain("functions");
    expect(status.missingIndexes).toContain("credit_grants_open");
    expect(await admin`SELECT FROM pg_namespace WHERE nspname = 'ducat'`).toHaveLength(0);
  });

  it("tells a migration whose file was edited after it had been applied", async () => {
    const { url } = await makeEmptyDatabase();
    const dir = await copyMigrationFiles();
    await migrate({ url, dir });
    await appendFile(join(dir, `drizzle/${foundation}.sql`), "\n-- edited");
    expect(await readStatus(url, dir)).toMatchObject({ changed: [foundation], pending: [] });
    expect(await migrate({ url, dir })).toEqual([]);
  });

  it("misses a declared index that somebody dropped", async () => {
    const { url, admin } = await makeEmptyDatabase();
    await migrate({ url });
    await admin`DROP INDEX ducat.generation_items_due`;
    const missing = { missingIndexes: ["generation_items_due"], ok: false };
    expect(await readStatus(url)).toMatchObject(missing);
  });
});
