import { setTimeout as sleep } from "node:timers/promises";
import { type AppProcess, keepApp, startApp } from "./app-process.ts";
import { type Database, openDatabase } from "./database.ts";
import { type EndingWatch, watchForEnding, watchNpm } from "./ending.ts";
import { type Environment, urlHost } from "./environment.ts";
import { type Lock, LockedError, takeLock } from "./lock.ts";
import { isPortFree } from "./ports.ts";
import { waitUntil } from "./processes.ts";
import { printWelcome } from "./welcome.ts";

interface Supervised {
  /** The entry files of the apps. */
  entries: { api: string; worker: string };
  environment: Environment;
  /** The variables that the apps get besides the ones made here. */
  inherited: NodeJS.ProcessEnv;
}

/** What runs so far, in the order in which it stops. */
interface Running {
  api?: AppProcess;
  worker?: AppProcess;
  database?: Database;
  lock?: Lock;
}

// A killed start leaves an API that needs a moment to notice.
const PORT_LIMIT_MS = 2_000;
// One that lost its npm needs a moment to stop.
const LOCK_LIMIT_MS = 5_000;
const READY_LIMIT_MS = 60_000;
const APP_STOP_LIMIT_MS = 40_000;

/**
 * Runs database, API and worker until a signal comes, the database ends or an app ends for good,
 * then stops them in order. Returns the exit code; throws, with everything stopped, what kept it
 * from starting.
 */
export async function supervise(supervised: Supervised): Promise<number> {
  const running: Running = {};
  const watch = watchForEnding(() => void stopByForce(running));
  const stopLooking = watchNpm(supervised.inherited, () =>
    watch.end({ reason: "Stopping, since npm is gone", code: 1 }),
  );
  try {
    await startAll(supervised, running, watch);
    const { reason, code } = await watch.ended;
    console.log(`\n${reason}`);
    return code;
  } catch (error) {
    if (!watch.isEnding()) throw error;
    const { reason, code } = await watch.ended;
    console.log(`\n${reason}`);
    return code;
  } finally {
    await stopAll(running);
    stopLooking();
    watch.close();
  }
}

async function startAll(supervised: Supervised, running: Running, watch: EndingWatch) {
  const { environment, inherited, entries } = supervised;
  const startedAt = Date.now();
  running.lock = await takeLockSoon(environment.dataDir, watch);
  await refuseBusyPort(environment);
  const onExit = (reason: string) => watch.end({ reason, code: 1 });
  const database = await openDatabase(environment, running.lock, onExit);
  running.database = database;
  if (watch.isEnding()) return;
  await migrateGiven(database, environment, inherited);
  if (watch.isEnding()) return;
  const env = { ...inherited, ...chooseVariables(environment, database) };
  let isUp = false;
  const run = (name: keyof typeof entries, url: string) => {
    const direct = database.cluster ? url : (environment.directDatabaseUrl ?? url);
    const write = (line: string) => console.log(line);
    const variables = { ...env, DATABASE_URL: url, DIRECT_DATABASE_URL: direct };
    const start = () => startApp({ name, entry: entries[name], env: variables, write });
    const app = keepApp(start, { isUp: () => isUp, write });
    void app.ended.then((end) => watch.end({ reason: `The ${name} ended: ${end}`, code: 1 }));
    return app;
  };
  running.api = run("api", database.appUrl);
  running.worker = run("worker", database.workerUrl);
  await waitForApi(environment, watch);
  isUp = true;
  if (!watch.isEnding()) printWelcome(environment, database, Date.now() - startedAt);
}

async function takeLockSoon(dir: string, watch: EndingWatch): Promise<Lock> {
  const end = Date.now() + LOCK_LIMIT_MS;
  for (;;) {
    try {
      return await takeLock(dir);
    } catch (error) {
      const isFinal = watch.isEnding() || Date.now() > end;
      if (isFinal || !(error instanceof LockedError)) throw error;
      await sleep(200);
    }
  }
}

async function refuseBusyPort({ port, host }: Environment): Promise<void> {
  if (await waitUntil(() => isPortFree(port, host), PORT_LIMIT_MS)) return;
  throw new Error(
    `Port ${port} is taken by another program. Stop that one, or choose another port:\n` +
      `  PORT=${port + 1} npm start`,
  );
}

// Loaded here because it pulls in drivers that a refusal to start has no use for.
async function migrateGiven(
  { adminUrl, passwords }: Database,
  { catalog, mode }: Environment,
  inherited: NodeJS.ProcessEnv,
): Promise<void> {
  const { migrateAll } = await import("../db/migrate-all.ts");
  const queueUrl = inherited.QUEUE_URL || inherited.REDIS_URL;
  const log = (line: string) => console.log(`${"db".padEnd(6)} | ${line}`);
  await migrateAll({ adminUrl, queueUrl, passwords, catalog, mode, log });
}

function chooseVariables(environment: Environment, database: Database): NodeJS.ProcessEnv {
  const { port, host, dataDir, publicUrl, mode } = environment;
  return {
    PORT: String(port),
    HOST: host,
    DATA_DIR: dataDir,
    PUBLIC_URL: publicUrl,
    DUCAT_MODE: mode,
    ROOT_KEY: database.rootKey,
    SECRET_KEYS: database.secretKeys,
  };
}

async function waitForApi({ host, port }: Environment, watch: EndingWatch): Promise<void> {
  const url = `http://${urlHost(host)}:${port}/readyz`;
  let last = "no answer";
  const isReady = async () => {
    if (watch.isEnding()) return true;
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
    if (response === null) return false;
    last = `${response.status} ${(await response.text().catch(() => "")).slice(0, 500)}`;
    return response.ok;
  };
  if (await waitUntil(isReady, READY_LIMIT_MS)) return;
  watch.end({ reason: `The API did not become ready: ${url} says ${last}`, code: 1 });
}

async function stopAll({ api, worker, database, lock }: Running): Promise<void> {
  // The API first: it takes new work. The database last: the worker gives its leases back there.
  await api?.stop(APP_STOP_LIMIT_MS);
  await worker?.stop(APP_STOP_LIMIT_MS);
  await database?.cluster?.stop();
  await lock?.release();
  if (database) console.log("Stopped.");
}

async function stopByForce({ api, worker, database }: Running): Promise<void> {
  console.log("Forced.");
  api?.kill();
  worker?.kill();
  await Promise.race([database?.cluster?.stop("immediate"), sleep(5_000)]);
  process.exit(1);
}
