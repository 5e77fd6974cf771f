import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { countTests, formatTotal, type Total } from "./test-total.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "ducat-test-"));
const missingParts = join(scratch, "missing-parts");
const bin = join(root, "node_modules/.bin");
const env = {
  ...process.env,
  PATH: `${bin}${delimiter}${process.env.PATH}`,
  DUCAT_MISSING_PARTS: missingParts,
};

// Ctrl-C reaches the child as well: wait for its end, so that it can tidy up, and start no other.
let isInterrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    isInterrupted = true;
  });
}

function run(title: string, command: string, cwd = root): Promise<boolean> {
  if (isInterrupted) return Promise.resolve(false);
  console.log(`\n> ${title}`);
  return new Promise((resolve) => {
    const child = spawn(command, {
      cwd,
      env,
      shell: true,
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", () => resolve(false));
    child.once("exit", (code) => resolve(code === 0));
  });
}

/** What `check` runs, but for its tests, which come with all others; then each package alone. */
async function listChecks(): Promise<{ title: string; command: string; cwd?: string }[]> {
  const manifest = await readFile(join(root, "package.json"), "utf8");
  const { scripts } = JSON.parse(manifest) as { scripts: { check: string } };
  const commands = scripts.check.split("&&").map((command) => command.trim());
  const checks = commands.filter((command) => !command.startsWith("vitest"));
  const packages = [];
  for (const folder of ["packages", "apps"]) {
    for (const name of (await readdir(join(root, folder))).sort()) {
      const cwd = join(root, folder, name);
      packages.push({ title: `tsc --noEmit (${folder}/${name})`, command: "tsc --noEmit", cwd });
    }
  }
  return [...checks.map((command) => ({ title: command, command })), ...packages];
}

/** Runs them all, whatever the first ones say, and tells which failed. */
async function runChecks(): Promise<{ passed: number; failed: string[] }> {
  const failed: string[] = [];
  const checks = await listChecks();
  for (const { title, command, cwd } of checks) {
    if (!(await run(title, command, cwd))) failed.push(title);
  }
  return { passed: checks.length - failed.length, failed };
}

async function runVitest(): Promise<Total> {
  const report = join(scratch, "report.json");
  const reporters = `--reporter=default --reporter=json --outputFile.json="${report}"`;
  const isGreen = await run("tests", `vitest run ${reporters}`);
  const total = countTests(await readFile(report, "utf8").catch(() => undefined));
  // An error outside any test makes vitest fail too.
  return isGreen || total.failed > 0 ? total : { ...total, failed: 1 };
}

const checks = await runChecks();
const tests = await runVitest();
const left = (await readFile(missingParts, "utf8").catch(() => "")).trim();
await rm(scratch, { recursive: true, force: true });
if (left !== "") {
  const lines = [...new Set(left.split("\n"))];
  console.log(`\n!!! ${lines.length} SUITES WERE NOT RUN !!!\n${lines.join("\n")}`);
  console.log("Install what is missing (Debian: apt-get install redis-server chromium).");
}
if (checks.failed.length > 0) console.log(`\nFAILED CHECKS: ${checks.failed.join(", ")}`);
const total = {
  passed: checks.passed + tests.passed,
  failed: checks.failed.length + tests.failed,
  skipped: tests.skipped,
};
if (total.failed > 0) process.exitCode = 1;
console.log(`\n${formatTotal(total)}`);
