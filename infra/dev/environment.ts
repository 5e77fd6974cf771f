import { resolve } from "node:path";

/** What `npm start` itself reads; the apps read the rest of the environment on their own. */
export interface Environment {
  port: number;
  host: string;
  /** Absolute. */
  dataDir: string;
  publicUrl: string;
  /** Undefined means: start the embedded PostgreSQL. */
  databaseUrl: string | undefined;
  directDatabaseUrl: string | undefined;
  mode: "test" | "live" | undefined;
  rootKey: string | undefined;
  secretKeys: string | undefined;
  /** What is sold: see loadCatalog. */
  catalog: string | undefined;
  /** Where the embedded PostgreSQL archives its log; undefined: nowhere. */
  archiveDir: string | undefined;
}

/** Reads the variables, an empty one counting as unset. Throws naming every fault at once. */
export function readEnvironment(source: NodeJS.ProcessEnv, root: string): Environment {
  const faults: string[] = [];
  const read = (name: string) => source[name]?.trim() || undefined;
  const databaseUrl = read("DATABASE_URL");
  const mode = read("DUCAT_MODE") ?? (databaseUrl === undefined ? "test" : undefined);
  if (mode !== undefined && mode !== "test" && mode !== "live") {
    faults.push(`DUCAT_MODE is "${mode}"; it is test or live.`);
  }
  const port = Number(read("PORT") ?? 8787);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    faults.push(`PORT is "${read("PORT")}"; it is a number from 1 to 65535.`);
  }
  const rootKey = read("ROOT_KEY");
  if (databaseUrl !== undefined && rootKey === undefined) {
    faults.push("ROOT_KEY is missing; with DATABASE_URL set it must be given (32 characters).");
  }
  if (databaseUrl !== undefined && mode === undefined) {
    faults.push("DUCAT_MODE is missing; with DATABASE_URL set it must be given (test or live).");
  }
  if (faults.length > 0) throw new Error(faults.join("\n"));
  const archiveDir = read("WAL_ARCHIVE_DIR");
  // The embedded database means a machine for trying out: not to be reached from the network.
  const host = read("HOST") ?? (databaseUrl === undefined ? "127.0.0.1" : "0.0.0.0");
  return {
    port,
    host,
    dataDir: resolve(root, read("DATA_DIR") ?? ".data"),
    publicUrl: read("PUBLIC_URL") ?? `http://${urlHost(host)}:${port}`,
    databaseUrl,
    directDatabaseUrl: read("DIRECT_DATABASE_URL"),
    mode: mode as Environment["mode"],
    rootKey,
    secretKeys: read("SECRET_KEYS"),
    catalog: read("CATALOG"),
    archiveDir: archiveDir && resolve(root, archiveDir),
  };
}

/** The host as a URL of this machine has it: "any address" is reached through the loopback. */
export function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
