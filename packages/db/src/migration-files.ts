import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The folder of this package, with the files that a migration consists of. */
export const packageDir = join(import.meta.dirname, "..");

export type Step = { name: string; sha256: string; text: string };

/** The migrations of drizzle/ in their order. */
export async function readMigrations(dir: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (const file of await listFiles(dir, "drizzle", ".sql")) {
    const text = await readFile(join(dir, "drizzle", file), "utf8");
    steps.push({ name: file.replace(/\.sql$/, ""), sha256: hash(text), text });
  }
  return steps;
}

/** Functions, views and policies of sql/ as one step: they are one program. */
export async function readFunctions(dir: string): Promise<Step> {
  const files = (await listFiles(dir, "sql", ".sql")).filter(
    (file) => file !== "bootstrap.sql" && !file.endsWith(".concurrent.sql"),
  );
  const texts = files.map((file) => readFile(join(dir, "sql", file), "utf8"));
  const text = (await Promise.all(texts)).join("\n");
  return { name: "functions", sha256: hash(text), text };
}

export type ConcurrentIndex = { name: string; text: string };

/**
 * The indexes of `sql/*.concurrent.sql`. Each file is one statement, because it runs outside any
 * transaction: CREATE INDEX CONCURRENTLY IF NOT EXISTS.
 */
export async function readConcurrentIndexes(dir: string): Promise<ConcurrentIndex[]> {
  const files = await listFiles(dir, "sql", ".concurrent.sql");
  return await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join(dir, "sql", file), "utf8");
      const [name, another] = findCreatedIndexes(text);
      if (name && !another) return { name, text };
      throw new Error(`${file} must be one CREATE INDEX CONCURRENTLY IF NOT EXISTS`);
    }),
  );
}

/** The names of all indexes that the files create and don't drop again. */
export async function readDeclaredIndexes(dir: string): Promise<string[]> {
  const texts = [...(await readMigrations(dir)), ...(await readConcurrentIndexes(dir))];
  const text = texts.map((part) => part.text).join("\n");
  const drops = text.matchAll(/DROP INDEX (?:IF EXISTS )?"?(?:ducat"?\."?)?(\w+)/g);
  const dropped = new Set([...drops].map((match) => match[1]));
  return findCreatedIndexes(text).filter((name) => !dropped.has(name));
}

function findCreatedIndexes(text: string): string[] {
  const creates = text.matchAll(
    /CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?"?(\w+)/g,
  );
  return [...creates].map((match) => match[1] ?? "");
}

async function listFiles(dir: string, folder: string, ending: string): Promise<string[]> {
  const names = await readdir(join(dir, folder));
  return names.filter((name) => name.endsWith(ending)).sort();
}

const hash = (text: string) => createHash("sha256").update(text).digest("hex");
