import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { findRedisServer } from "../../../infra/dev/parts.ts";
import { findFreePort } from "../../../infra/dev/ports.ts";

export type RedisServer = {
  url: string;
  /** SIGKILL: what a crash leaves. */
  kill(): Promise<void>;
  /** Empty again, on the same port. */
  start(): Promise<void>;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
};

/** A Redis without persistence on a free port. */
export async function startRedis(...settings: string[]): Promise<RedisServer> {
  let port = await findFreePort();
  let child = await launch(port, settings).catch(async () => {
    // Somebody took the port in between.
    port = await findFreePort();
    return await launch(port, settings);
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
    async start() {
      child = await launch(port, settings);
    },
    signal: (name) => child.kill(name),
  };
}

async function launch(port: number, settings: string[]): Promise<ChildProcess> {
  const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", tmpdir()];
  const args = [...place, "--save", "", "--appendonly", "no", ...settings];
  const child = spawn(findRedisServer() ?? "redis-server", args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(child.stdout)) {
    if (line.includes("Ready to accept connections")) {
      child.stdout.resume();
      return child;
    }
  }
  throw new Error(`redis-server did not start on port ${port}`);
}
