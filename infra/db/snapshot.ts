/**
 * `pnpm db:snapshot`: writes packages/db/schema.snapshot.txt, the schema as a freshly migrated
 * database has it. The database is a scratch one on the server of DIRECT_DATABASE_URL or
 * DATABASE_URL, or in an embedded PostgreSQL of its own.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { migrate } from "../../packages/db/src/migrate.ts";
import { readSchema } from "../../packages/db/src/snapshot.ts";
import { startCluster } from "../dev/cluster.ts";
import { runCommand } from "./command.ts";

const file = fileURLToPath(new URL("../../packages/db/schema.snapshot.txt", import.meta.url));

await runCommand(async ({ adminUrl }) => {
  const text = adminUrl ? await readScratch(adminUrl) : await readEmbedded();
  await writeFile(file, text);
  console.log(`wrote packages/db/schema.snapshot.txt (${text.split("\n").length} lines)`);
  return 0;
});

async function readEmbedded(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-snapshot-"));
  const cluster = await startCluster({ dir, fsync: false });
  try {
    return await readScratch(cluster.url);
  } finally {
    await cluster.stop("immediate");
    await rm(dir, { recursive: true, force: true });
  }
}

async function readScratch(serverUrl: string): Promise<string> {
  const name = `ducat_snapshot_${randomUUID().replaceAll("-", "")}`;
  const url = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} });
  try {
    await server.unsafe(`CREATE DATABASE ${name} TEMPLATE template0`);
    await migrate({ url });
    const scratch = postgres(url, { max: 1, onnotice: () => {} });
    return await readSchema(scratch).finally(() => scratch.end({ timeout: 5 }));
  } finally {
    await server.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await server.end({ timeout: 5 });
  }
}
