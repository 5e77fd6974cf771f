import { randomUUID } from "node:crypto";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { inject, onTestFinished } from "vitest";
import { packageDir } from "../src/migration-files.ts";

export type EmptyDatabase = { name: string; url: string; admin: postgres.Sql };

/** A database with nothing in it, on the run's cluster; gone when the test ends. */
export async function makeEmptyDatabase(owner?: string): Promise<EmptyDatabase> {
  const cluster = inject("postgres");
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const server = postgres(cluster, { max: 1, onnotice: () => {} });
  onTestFinished(async () => {
    await server.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await server.end();
  });
  // template0 has no session that could be in the way.
  await server.unsafe(
    `CREATE DATABASE ${name} TEMPLATE template0 ${owner ? `OWNER ${owner}` : ""}`,
  );
  const url = Object.assign(new URL(cluster), { pathname: `/${name}` }).href;
  const admin = postgres(url, { max: 2, onnotice: () => {} });
  onTestFinished(() => admin.end({ timeout: 1 }));
  return { name, url, admin };
}

/** A copy of the package's migration files, to be changed; gone when the test ends. */
export async function copyMigrationFiles(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-migrations-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const folder of ["drizzle", "sql"]) {
    await cp(join(packageDir, folder), join(dir, folder), { recursive: true });
  }
  return dir;
}
