// Starts Ducat, or its tests, on a machine with only Node. Plain JavaScript with no import at the
// top: it runs before anything is installed, and an old Node must get as far as the first message.

const [major, minor] = process.versions.node.split(".").map(Number);
const isSupported = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
const INSTALL_LIMIT_MS = 15 * 60000;

async function main(command) {
  const { fileURLToPath } = await import("node:url");
  const root = fileURLToPath(new URL("../..", import.meta.url));
  await installPackages(root);
  const { register } = await import("tsx/esm/api");
  register();
  await (command === "start" ? import("./start.ts") : import("./test.ts"));
}

async function installPackages(root) {
  const { createHash } = await import("node:crypto");
  const { readFile, writeFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const lockfile = join(root, "pnpm-lock.yaml");
  const stamp = join(root, "node_modules", ".ducat-install");
  const hash = createHash("sha256")
    .update(await readFile(lockfile))
    .digest("hex");
  const installed = await readFile(stamp, "utf8").catch(() => "");
  if (installed === hash || (await isNewerInstall(root, lockfile))) return;
  const { packageManager } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  console.log("Installing packages (the first time takes up to a minute) ...");
  await runQuietly(root, ["--yes", packageManager, "install", "--frozen-lockfile"]);
  await writeFile(stamp, hash);
}

// True when somebody ran `pnpm install` by hand after the last change of the lockfile.
async function isNewerInstall(root, lockfile) {
  const { stat } = await import("node:fs/promises");
  const state = `${root}/node_modules/.pnpm-workspace-state-v1.json`;
  const [done, wanted] = await Promise.all([stat(state).catch(() => null), stat(lockfile)]);
  return done !== null && done.mtimeMs >= wanted.mtimeMs;
}

// Shows what npx and pnpm say only when they fail.
async function runQuietly(root, args) {
  const { spawn } = await import("node:child_process");
  const isWindows = process.platform === "win32";
  const child = spawn(isWindows ? "npx.cmd" : "npx", args, {
    cwd: root,
    shell: isWindows,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: INSTALL_LIMIT_MS,
    // CI: without a terminal pnpm must not ask whether it may replace node_modules.
    env: { ...process.env, CI: "true", npm_config_loglevel: "error" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-20000);
    });
  }
  const code = await new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", resolve);
  });
  if (code === 0) return;
  console.error(output.trim());
  throw new Error(`Installing failed: npx ${args.join(" ")} (${code}).`);
}

const command = process.argv[2];
if (!isSupported) {
  console.error(
    `Ducat needs Node 20.19 or newer (of the lines 20, 22.13+ or 24+); ` +
      `this is ${process.versions.node}. See https://nodejs.org`,
  );
  process.exit(1);
} else if (command !== "start" && command !== "test") {
  console.error("Usage: node infra/dev/run.mjs start|test");
  process.exit(1);
} else {
  main(command).catch((error) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  });
}
