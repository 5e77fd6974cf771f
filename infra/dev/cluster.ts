import type { ChildProcess } from "node:child_process";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openArchive } from "./archive.ts";
import { ensureDataFolder, PASSWORD_FILE, SUPERUSER } from "./initdb.ts";
import { type Lock, takeLock } from "./lock.ts";
import { findPlace } from "./place.ts";
import { findFreePort, isPortFree } from "./ports.ts";
import {
  hasExited,
  type Launch,
  launchPostmaster,
  PortTakenError,
  stopOrphan,
  stopProcess,
} from "./postmaster.ts";

export interface ClusterOptions {
  /** The folder that belongs to this cluster; made if missing. */
  dir: string;
  /** Left out: the port of the last start if it is free, else a free one. */
  port?: number;
  /** false gives up safety against power cuts for speed; meant for tests. */
  fsync?: boolean;
  /** A folder that finished pieces of the write-ahead log are copied to; made if missing. */
  archiveDir?: string | undefined;
  /** More server settings, stronger than the ones chosen here. */
  settings?: Record<string, string | number>;
  /** The lock on `dir` if the caller holds it; else it is taken, and released by stop(). */
  lock?: Lock;
  /** Called when the server ends without being asked to. */
  onExit?: (reason: string) => void;
}

export interface Cluster {
  /** Superuser login to the database `postgres`. */
  url: string;
  port: number;
  dataDir: string;
  /** The pid of the server that runs now. */
  readonly pid: number;
  /** "fast" ends sessions and checkpoints; "immediate" leaves recovery to the next start. */
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** SIGKILL to the server, as a crash; restart() brings it back. */
  kill(): Promise<void>;
  /** Starts the server again on the same port, stopping it first if it still runs. */
  restart(mode?: "fast" | "immediate"): Promise<void>;
}

const FAST_LIMIT_MS = 30_000;
const IMMEDIATE_LIMIT_MS = 10_000;
const MAX_PORT_TRIES = 5;
export const PORT_FILE = "ducat.port";

/**
 * Starts the PostgreSQL that came with the packages, on 127.0.0.1 only, making its data folder
 * when there is none and stopping a server that a dead process left on it. Throws when another
 * live process uses `dir`.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await mkdir(options.dir, { recursive: true });
  const dir = await realpath(options.dir);
  const lock = options.lock ?? (await takeLock(dir));
  const release = options.lock ? async () => {} : () => lock.release();
  try {
    return await startLocked(dir, options, release);
  } catch (error) {
    await release();
    throw error;
  }
}

async function startLocked(
  dir: string,
  options: ClusterOptions,
  release: () => Promise<void>,
): Promise<Cluster> {
  const place = await findPlace(dir);
  if (place.dataDir !== undefined) await stopOrphan(place.dataDir);
  const sync = options.fsync ?? true;
  const dataDir = await ensureDataFolder(dir, place, sync);
  const { native, user } = place;
  const archiving = options.archiveDir ? await openArchive(options.archiveDir, user) : {};
  const settings = { ...chooseSettings(sync), ...archiving, ...options.settings };
  const launch = { native, user, dataDir, logFile: join(dir, "postgres.log"), settings };
  const { child, port } = await launchOnSomePort(launch, options.port);
  const password = (await readFile(join(dataDir, PASSWORD_FILE), "utf8")).trim();
  const url = `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
  const server = createServer(child, () => launchOn(launch, port), options.onExit);
  return {
    url,
    port,
    dataDir,
    get pid() {
      return server.pid();
    },
    async stop(mode = "fast") {
      await server.stop(mode);
      await release();
    },
    kill: server.kill,
    restart: server.restart,
  };
}

// The one piece of state: which process is the server now.
function createServer(
  first: ChildProcess,
  relaunch: () => Promise<ChildProcess>,
  onExit: (reason: string) => void = () => {},
) {
  let child = first;
  const watch = (next: ChildProcess) => {
    child = next;
    next.once("exit", (code, signal) => {
      if (!expected.has(next)) onExit(`PostgreSQL ended by itself (${signal ?? `exit ${code}`})`);
    });
  };
  const expected = new WeakSet<ChildProcess>();
  const end = async (signal: NodeJS.Signals, limitMs: number) => {
    expected.add(child);
    await stopProcess(child, signal, limitMs);
  };
  const stop = async (mode: "fast" | "immediate") => {
    if (hasExited(child)) return;
    expected.add(child);
    const escalate = setTimeout(() => child.kill("SIGQUIT"), FAST_LIMIT_MS);
    await end(mode === "fast" ? "SIGINT" : "SIGQUIT", FAST_LIMIT_MS + IMMEDIATE_LIMIT_MS);
    clearTimeout(escalate);
  };
  watch(first);
  return {
    pid: () => child.pid ?? 0,
    stop,
    kill: () => end("SIGKILL", IMMEDIATE_LIMIT_MS),
    async restart(mode: "fast" | "immediate" = "fast") {
      await stop(mode);
      watch(await relaunch());
    },
  };
}

const launchOn = (launch: Launch, port: number) =>
  launchPostmaster({ ...launch, settings: { ...launch.settings, port } });

async function launchOnSomePort(launch: Launch, wanted: number | undefined) {
  const portFile = join(launch.dataDir, PORT_FILE);
  const last = Number(await readFile(portFile, "utf8").catch(() => ""));
  let port = wanted ?? (last > 0 && (await isPortFree(last)) ? last : await findFreePort());
  for (let tries = 1; ; tries++) {
    try {
      const child = await launchOn(launch, port);
      await writeFile(portFile, String(port));
      return { child, port };
    } catch (error) {
      const isFinal = wanted !== undefined || tries === MAX_PORT_TRIES;
      if (isFinal || !(error instanceof PortTakenError)) throw error;
      port = await findFreePort();
    }
  }
}

function chooseSettings(sync: boolean): Record<string, string | number> {
  const fast = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };
  return {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: 200,
    shared_buffers: "128MB",
    max_wal_size: "512MB",
    timezone: "UTC",
    log_timezone: "UTC",
    // Our statements are short; compiling them costs more than it saves.
    jit: "off",
    ...(sync ? {} : fast),
  };
}
