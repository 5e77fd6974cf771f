import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { makeEmptyDatabase } from "../../packages/db/test/empty-database.ts";
import { findFreePort } from "../dev/ports.ts";
import { waitUntil } from "../dev/processes.ts";
import { layOut } from "./lay-out.ts";

const START_LIMIT_MS = 30_000;
/** Nobody's: what runs in an image is not root, and is not whoever owns the files. */
const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

let scratch: string;
let app: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "ducat-image-"));
  await chmod(scratch, 0o755);
  app = join(scratch, "app");
  await layOut(app);
  await setMode(app, { folder: 0o555, file: 0o444 });
});
afterAll(async () => {
  await setMode(app, { folder: 0o755, file: 0o644 });
  await rm(scratch, { recursive: true });
});

async function setMode(path: string, modes: { folder: number; file: number }): Promise<void> {
  await chmod(path, modes.folder);
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const mode = entry.isDirectory() ? modes.folder : modes.file;
    await chmod(join(entry.parentPath, entry.name), mode);
  }
}

/** Runs a file of the image to its end, with no variable but these. */
function run(args: string[], env: Record<string, string> = {}) {
  return new Promise<{ code: number; output: string }>((settle) => {
    const options = { cwd: app, env, timeout: START_LIMIT_MS, ...user };
    execFile(process.execPath, args, options, (error, out, err) => {
      settle({ code: error === null ? 0 : Number(error.code), output: `${out}${err}` });
    });
  });
}

/** Starts a file of the image, as compose.yaml does. */
function start(args: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, args, { cwd: app, env, ...user });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return { child, read: () => output };
}

async function stop(child: ChildProcess): Promise<number | null> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const [code] = await ended;
  return code;
}

it.each(["apps/api/dist/main.js", "apps/worker/dist/main.js"])(
  "%s loads all it needs and refuses an empty environment in clear words",
  async (file) => {
    const { code, output } = await run(["--enable-source-maps", file]);
    expect(output).toContain("DATABASE_URL");
    expect(output).not.toMatch(/Cannot find|is not defined|Dynamic require|\n {4}at /);
    expect(code).toBe(1);
  },
);

it("has every command, and each says what it misses", async () => {
  const names = (await readdir(join(app, "tools/bin"))).filter((name) => name.endsWith(".js"));
  expect(names.sort()).toEqual([
    "catalog.js",
    "doctor.js",
    "migrate.js",
    "reconcile.js",
    "status.js",
  ]);
  const results = await Promise.all(names.map((name) => run([`tools/bin/${name}`])));
  for (const { code, output } of results) {
    expect(output).not.toMatch(/Cannot find|is not defined|Dynamic require|\n {4}at /);
    expect(code, output).toBeGreaterThan(0);
  }
});

/** A folder that the processes may write, as a volume is. */
async function makeVolume(): Promise<string> {
  const path = join(scratch, "data");
  await mkdir(path);
  if (user.uid !== undefined) await chown(path, user.uid, user.gid);
  return path;
}

it("migrates, serves and works as nobody on files that nobody can write", async () => {
  const { url } = await makeEmptyDatabase();
  const migrated = await run(["tools/bin/migrate.js"], { DATABASE_URL: url, DUCAT_MODE: "test" });
  expect(migrated.output).toContain("applied functions and policies");
  expect(migrated.code).toBe(0);
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  const env = {
    ...{ DATABASE_URL: url, DUCAT_MODE: "test", DATA_DIR: await makeVolume() },
    ...{ PORT: String(port), HOST: "127.0.0.1", SECRET_KEYS: "s".repeat(32) },
    ...{ ROOT_KEY: "r".repeat(32), METRICS_PORT: String(metricsPort), LOG_LEVEL: "warn" },
  };
  const api = start(["--enable-source-maps", "apps/api/dist/main.js"], env);
  const worker = start(["--enable-source-maps", "apps/worker/dist/main.js"], env);
  const isUp = async (...args: string[]) => (await run(["check-health.mjs", ...args])).code === 0;
  const areUp = async () => (await isUp(`${port}`, "/readyz")) && (await isUp(`${metricsPort}`));
  expect(await waitUntil(areUp, START_LIMIT_MS), `${api.read()}${worker.read()}`).toBe(true);

  const base = `http://127.0.0.1:${port}`;
  const authorization = `Bearer ${env.ROOT_KEY}`;
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`${base}${path}`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  await post("/v1/accounts", { external_id: "ada", kind: "user" });
  const styles = await fetch(`${base}/v1/styles`, { headers: { authorization } });
  const { data } = (await styles.json()) as { data: { id: string }[] };
  const answer = await post(
    "/v1/generations",
    { style: data[0]?.id, input: { type: "text", prompt: "a garden" } },
    { "ducat-account": "ada", "idempotency-key": "one", prefer: "wait=20" },
  );
  // Drawn by sharp and stored in the volume.
  expect(await answer.json()).toMatchObject({ status: "completed" });
  expect((await fetch(`${base}/docs`)).status).toBe(200);
  expect(await stop(api.child), api.read()).toBe(0);
  expect(await stop(worker.child), worker.read()).toBe(0);
}, 60_000);

it("tells an unhealthy process by the exit code", async () => {
  const { code, output } = await run(["check-health.mjs", String(await findFreePort())]);
  expect(code).toBe(1);
  expect(output).toBe("ECONNREFUSED\n");
});

it("holds no source, no test and nothing of the workspace", async () => {
  const names = await readdir(app, { recursive: true });
  const ours = names.filter((name) => !name.startsWith("node_modules"));
  expect(ours.filter((name) => /\.tsx?$|\.test\.|\.env|secret/.test(name))).toEqual([]);
  const modules = await readdir(join(app, "node_modules"));
  expect(modules).toContain("sharp");
  expect(modules).not.toContain("@ducat");
  expect(await readFile(join(app, "tools/schema.snapshot.txt"), "utf8")).toContain("# functions");
});
