import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { type Catalog, parseCatalog, toRows } from "../../packages/billing/src/catalog.ts";
import { type CatalogChange, findCatalogName, pushCatalog } from "../../packages/db/src/catalog.ts";

const folder = fileURLToPath(new URL("../../catalogs", import.meta.url));
const firstCatalog = "landscape";

/**
 * Reads and checks a catalog: one of catalogs/ by its name, any other by the path of its file.
 * Throws an Error whose text names the file and each fault's path in it.
 */
export async function readCatalog(nameOrPath: string): Promise<Catalog> {
  const file = toFile(nameOrPath);
  if (!existsSync(file)) throw new Error(`There is no catalog ${nameOrPath} (${file}).`);
  try {
    return parseCatalog(JSON.parse(await readFile(file, "utf8")));
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

/**
 * Brings the database's products up to date with their catalog, as every start does; the same
 * again changes nothing. A catalog that came from a file elsewhere stays as it was pushed.
 */
export async function loadCatalog(options: LoadOptions): Promise<CatalogChange[]> {
  const { adminUrl, catalog, mode = "test" } = options;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {} });
  try {
    const loaded = await findCatalogName(sql);
    const chosen = catalog ?? loaded ?? firstCatalog;
    if (catalog === undefined && !existsSync(toFile(chosen))) return [];
    return await pushCatalog(sql, toRows(await readCatalog(chosen), mode));
  } finally {
    await sql.end({ timeout: 5 });
  }
}
