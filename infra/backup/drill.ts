/**
 * `pnpm drill`: proves that backups can be restored. In a folder of its own it starts a deployment,
 * makes a book, backs it up, goes on, destroys everything as a lost disk does, restores to a moment
 * between two events, lets `pnpm doctor` judge the book and works on. Takes seconds; ends with 0
 * only when all of it held.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runDrill } from "./run-drill.ts";

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const dir = await mkdtemp(join(tmpdir(), "ducat-drill-"));
  try {
    await runDrill({ dir, log: (line) => console.log(line) });
    console.log("The drill held.");
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
