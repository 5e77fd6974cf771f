import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { type Catalog, parseCatalog, toRows } from "../../packages/billing/src/catalog.ts";
import {
  type CatalogChange,
  type CatalogDocument,
  findCatalogName,
  findCatalogVersion,
  pushCatalog,
} from "../../packages/db/src/catalog.ts";

const folder = fileURLToPath(new URL("../../catalogs", import.meta.url));
const firstCatalog = "landscape";

/**
 * Reads and checks a catalog: one of catalogs/ by its name, any other by the path of its file.
 * Throws an Error whose text names the file and each fault's path in it.
 */
export async function readCatalog(nameOrPath: string): Promise<Catalog> {
  return (await readCatalogFile(nameOrPath)).catalog;
}

/** The same, and the file as it is written. */
export async function readCatalogFile(
  nameOrPath: string,
): Promise<{ catalog: Catalog; document: CatalogDocument }> {
  const file = toFile(nameOrPath);
  if (!existsSync(file)) throw new Error(`There is no catalog ${nameOrPath} (${file}).`);
  try {
    const document: CatalogDocument = JSON.parse(await readFile(file, "utf8"));
    return { catalog: parseCatalog(document), document };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${basename(file)}: ${text}`, { cause: error });
  }
}

const toFile = (nameOrPath: string) =>
  /^\w+$/.test(nameOrPath) ? join(folder, `${nameOrPath}.json`) : resolve(nameOrPath);

type LoadOptions = {
  adminUrl: string;
  /** A name or path; left out: the catalog that is loaded already, at first `landscape`. */
  catalog?: string | undefined;
  mode?: "test" | "live" | undefined;
};

/** Who pushes what a file says; everybody else is an operator who asked the API. */
const ofFiles = ["start", "command"];

/**
 * Brings the database's products up to date with their catalog, as every start does; the same
 * again changes nothing. A catalog that came from a file elsewhere stays as it was pushed, and so
 * does, whatever `catalog` says, what an operator pushed by the API: a start must not undo it.
 */
export async function loadCatalog(options: LoadOptions): Promise<CatalogChange[]> {
  const { adminUrl, catalog: named, mode = "test" } = options;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const last = await findCatalogVersion(sql);
    if (last && !ofFiles.includes(last.pushed_by)) return [];
    const chosen = named ?? (await findCatalogName(sql)) ?? firstCatalog;
    if (named === undefined && !existsSync(toFile(chosen))) return [];
    const { catalog, document } = await readCatalogFile(chosen);
    return await pushCatalog(sql, toRows(catalog, mode), { document });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
