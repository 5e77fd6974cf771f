import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "../../../infra/dev/ports.ts";
import { bundleEntry } from "../../../infra/test/bundle-entry.ts";
import { eventually, rootKey } from "./stage.ts";

export type ChildApi = {
  url: string;
  child: ChildProcess;
  /** What it wrote so far. */
  output(): string;
  /** Bytes: now, and the most since it started. */
  readMemory(): Promise<{ rss: number; peak: number }>;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
};

/** main.ts as a process of its own on this database, whose queue is migrated, and ready. */
export async function startChildApi(databaseUrl: string): Promise<ChildApi> {
  const dir = await mkdtemp(join(tmpdir(), "ducat-child-api-"));
  const port = await findFreePort();
  const main = await bundleEntry(join(import.meta.dirname, "../src/main.ts"));
  const preload = await bundleEntry(join(import.meta.dirname, "tell-memory.ts"));
  const child = spawn(process.execPath, ["--import", preload, main], {
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      HOST: "127.0.0.1",
      DATABASE_URL: databaseUrl,
      DATA_DIR: dir,
      DUCAT_MODE: "test",
      ROOT_KEY: rootKey,
      SECRET_KEYS: "s".repeat(32),
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = once(child, "exit").finally(() => rm(dir, { recursive: true, force: true }));
  const url = `http://127.0.0.1:${port}`;
  const ready = eventually(async () => {
    const response = await fetch(`${url}/readyz`);
    if (!response.ok) throw new Error(await response.text());
  });
  const early = ended.then(() => {
    throw new Error(`It ended: ${output}`);
  });
  await Promise.race([ready, early]);
  early.catch(() => undefined);
  return {
    url,
    child,
    output: () => output,
    async readMemory() {
      child.send("memory");
      const [answer] = await once(child, "message");
      return answer as { rss: number; peak: number };
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = await ended;
      return code;
    },
  };
}
