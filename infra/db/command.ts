import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Login } from "../../packages/db/src/migrate.ts";

const envFile = fileURLToPath(new URL("../../.env", import.meta.url));

/**
 * What these commands read: an administrator's URL, the queue's where it is another one, which
 * catalog is sold, and the mode.
 */
export type Settings = {
  adminUrl: string | undefined;
  queueUrl: string | undefined;
  catalog: string | undefined;
  mode: "test" | "live";
  /** What the roles' passwords shall be, where somebody says so. */
  passwords: Partial<Record<Login, string>>;
};

/**
 * Runs a command with the settings of the environment (and of .env) and ends with the exit code
 * that it returns; 2 and one line of text when it throws.
 */
export async function runCommand(command: (settings: Settings) => Promise<number>): Promise<void> {
  if (existsSync(envFile)) process.loadEnvFile(envFile);
  // An empty variable counts as unset, as everywhere.
  const read = (name: string) => process.env[name]?.trim() || undefined;
  try {
    process.exitCode = await command({
      adminUrl: read("DIRECT_DATABASE_URL") ?? read("DATABASE_URL"),
      queueUrl: read("QUEUE_URL") ?? read("REDIS_URL"),
      catalog: read("CATALOG"),
      mode: read("DUCAT_MODE") === "live" ? "live" : "test",
      passwords: readPasswords(read),
    });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    // A refused connection has a code and no message.
    console.error(message || code || String(error));
    process.exitCode = 2;
  }
}

function readPasswords(read: (name: string) => string | undefined): Settings["passwords"] {
  const given = {
    ducat_app: read("DUCAT_APP_PASSWORD"),
    ducat_worker: read("DUCAT_WORKER_PASSWORD"),
    ducat_queue: read("DUCAT_QUEUE_PASSWORD"),
  };
  return Object.fromEntries(Object.entries(given).filter(([, password]) => password));
}

/** The URL, or an error that says which variable names it. */
export function requireUrl({ adminUrl }: Settings): string {
  if (adminUrl) return adminUrl;
  throw new Error(
    "Set DIRECT_DATABASE_URL or DATABASE_URL to an administrator's login. " +
      "(The embedded database needs nothing: npm start brings it up to date.)",
  );
}
