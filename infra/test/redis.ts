import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { findRedisServer } from "../dev/parts.ts";
import { findFreePort } from "../dev/ports.ts";

export type TestRedis = { url: string; port: number; stop(): Promise<void> };

/** Starts a Redis that keeps nothing on disk, on a free port of 127.0.0.1, and waits for it. */
export async function startRedis(settings: string[] = []): Promise<TestRedis> {
  const binary = findRedisServer();
  if (!binary) throw new Error("redis-server is not on PATH");
  const port = await findFreePort();
  const child = spawn(
    binary,
    [
      "--port",
      String(port),
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--appendonly",
      "no",
      ...settings,
    ],
    { stdio: "ignore" },
  );
  await waitForPort(port, child);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline && child.exitCode === null) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => setTimeout(() => resolve(false), 20));
    });
    if (open) return;
  }
  throw new Error(`redis-server did not open port ${port}`);
}
