import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { bundleEntry } from "../../../infra/test/bundle-entry.ts";
import type { Point } from "../src/points.ts";
import type { Arms, ChildConfig, FromChild, ToChild } from "./child.ts";
import { eventually, type LogLine, quick, type Stage } from "./stage.ts";

export type Child = {
  /** Where it has been, as `point item`, in order. */
  path: string[];
  lines: LogLine[];
  /** Makes it hold items at points from now on. */
  arm(arms: Arms): void;
  /** Lets what it holds of an item go on. */
  resume(item: string): void;
  /** Waits until it has been at a point with an item. */
  reaches(point: Point, item?: string): Promise<void>;
  /** Waits until it has logged the message. */
  says(message: string): Promise<void>;
  signal(name: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Resolves to its exit code; null when a signal ended it. */
  exited: Promise<number | null>;
};

type Options = {
  arms?: Arms;
  graceMs?: number;
  timings?: ChildConfig["timings"];
  payments?: ChildConfig["payments"];
  falUrl?: string;
  isWriter?: boolean;
  /** A module to load first. */
  preload?: string;
};

const root = fileURLToPath(new URL("../../..", import.meta.url));
const entry = fileURLToPath(new URL("child.ts", import.meta.url));

/** Starts a worker in a process of its own and waits until it takes jobs. */
export async function startChild(stage: Stage, options: Options = {}): Promise<Child> {
  const config: ChildConfig = {
    databaseUrl: stage.db.url,
    queue: stage.queueOptions,
    dir: stage.dir,
    providerUrl: stage.provider.url,
    timings: { ...quick, ...options.timings },
    graceMs: options.graceMs ?? 0,
    arms: options.arms ?? {},
    payments: options.payments ?? {},
    falUrl: options.falUrl,
    isWriter: options.isWriter,
    webhookHosts: stage.webhookHosts,
  };
  const preloads = options.preload ? ["--import", await bundleEntry(options.preload)] : [];
  const child = follow(
    spawn(process.execPath, [...preloads, await bundleEntry(entry), JSON.stringify(config)], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    }),
  );
  stage.onClose(child.kill);
  await Promise.race([
    child.started,
    child.exited.then((code) => {
      throw new Error(`the worker ended before it started: ${code}`);
    }),
  ]);
  return child;
}

function follow(child: ChildProcess): Child & { started: Promise<void> } {
  const path: string[] = [];
  const lines: LogLine[] = [];
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const started = new Promise<void>((resolve) => {
    child.on("message", (message: FromChild) => {
      if (message.type === "started") resolve();
      if (message.type === "at") path.push(`${message.point} ${message.item}`);
      if (message.type === "log") lines.push(message.line);
    });
  });
  const send = (message: ToChild) => void child.send(message);
  return {
    path,
    lines,
    started,
    exited,
    arm: (arms) => send({ arm: arms }),
    resume: (item) => send({ resume: item }),
    async reaches(point, item = "*") {
      await eventually(() => expect(path).toContain(`${point} ${item}`));
    },
    async says(message) {
      await eventually(() => expect(lines.map((line) => line.message)).toContain(message));
    },
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
