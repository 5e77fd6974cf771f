/**
 * The former release on this version's schema: its code and tests, taken from git, with the SQL of
 * today. An upgrade replaces processes one by one, so both must work at the same time.
 * `tsx infra/db/previous.ts [file …]` runs its suite, or the named files of it.
 */
import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { noteMissing } from "../dev/parts.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const OUTPUT_LIMIT = 64 * 1024 * 1024;
const RUN_LIMIT_MS = 20 * 60_000;
const SHOWN_CHARACTERS = 20_000;

export type Release = {
  commit: string;
  /** Files of its suite that can't pass on another schema, with the reason. */
  leftOut: Record<string, string>;
  /** Titles of single tests that need not pass, with the reason. */
  mayFail: Record<string, string>;
  /** What the schema lacks and the release does not use, as findBreaks says it. */
  unused: Record<string, string>;
};

/** Which release an upgrade may come from: packages/db/previous-release.json. */
async function readPreviousRelease(): Promise<Release> {
  const text = await readFile(join(root, "packages/db/previous-release.json"), "utf8");
  return JSON.parse(text) as Release;
}

/** A file as it was in a commit; undefined where that history isn't here. */
export async function readAtCommit(commit: string, path: string): Promise<string | undefined> {
  const options = { cwd: root, maxBuffer: OUTPUT_LIMIT };
  const shown = await run("git", ["show", `${commit}:${path}`], options).catch(() => undefined);
  return shown?.stdout;
}

/**
 * The former release, if this checkout's history has it; else says so where `npm test` lists what
 * was not run.
 */
export async function findPreviousRelease(
  suite: string,
  given?: Release,
): Promise<Release | undefined> {
  const release = given ?? (await readPreviousRelease());
  const found = await readAtCommit(release.commit, "package.json");
  if (found !== undefined) return release;
  const why = `the history up to ${release.commit.slice(0, 7)} is not in this checkout`;
  // Not even CI is failed by it: a checkout may be shallow, and a history may be written anew.
  noteMissing(`${suite}: not run, ${why}`);
  return undefined;
}

/** Lays the release out in a folder of its own, with today's migrations and SQL in it. */
export async function layOutPrevious(commit: string): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "ducat-previous-")));
  try {
    const archive = join(dir, "release.tar");
    await run("git", ["archive", "--output", archive, commit], { cwd: root });
    await run("tar", ["-xf", archive, "-C", dir]);
    await rm(archive);
    for (const folder of ["drizzle", "sql"]) {
      const target = join(dir, "packages/db", folder);
      await rm(target, { recursive: true });
      await cp(join(root, "packages/db", folder), target, { recursive: true });
    }
    await linkModules(dir);
    return dir;
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Packages from outside are this checkout's; ours are the release's own. */
async function linkModules(dir: string): Promise<void> {
  await linkFolder(join(root, "node_modules"), join(dir, "node_modules"), dir);
  for (const kind of ["packages", "apps"]) {
    for (const name of await readdir(join(dir, kind))) {
      const from = join(root, kind, name, "node_modules");
      if (existsSync(from)) await linkFolder(from, join(dir, kind, name, "node_modules"), dir);
    }
  }
}

async function linkFolder(from: string, to: string, dir: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    if (name.startsWith(".")) continue;
    if (name.startsWith("@")) await linkFolder(join(from, name), join(to, name), dir);
    else await symlink(chooseTarget(await realpath(join(from, name)), dir), join(to, name));
  }
}

function chooseTarget(path: string, dir: string): string {
  const inside = relative(root, path);
  return /^(packages|apps)\//.test(inside) ? join(dir, inside) : path;
}

export type SuiteResult = { passed: number; failed: string[]; output: string };

/**
 * Runs files of packages/db's suite in a laid out release, on a PostgreSQL of its own; without
 * files all but those that are left out.
 */
export async function runPreviousSuite(
  dir: string,
  { leftOut, mayFail }: Release,
  files: string[] = [],
): Promise<SuiteResult> {
  const all = await readdir(join(dir, "packages/db/src"));
  const tests = all.filter((name) => name.endsWith(".test.ts") && !name.includes(".long."));
  const unknown = [...files, ...Object.keys(leftOut)].filter((name) => !tests.includes(name));
  if (unknown.length > 0) throw new Error(`The former release has no ${unknown.join(", ")}.`);
  const chosen = files.length > 0 ? files : tests.filter((name) => !(name in leftOut));
  const report = join(dir, "report.json");
  const { code, output } = await runVitest(dir, [
    ...["run", "--project", "suite", "--reporter=default", "--reporter=json"],
    `--outputFile.json=${report}`,
    ...chosen.map((name) => `packages/db/src/${name}`),
  ]);
  const { numPassedTests, testResults } = JSON.parse(await readFile(report, "utf8")) as Report;
  const faults = testResults.flatMap(({ name, status, assertionResults }) => {
    const titles = assertionResults.flatMap((test) => (test.status === "failed" ? test.title : []));
    // A file may fail outside of its tests.
    return status === "failed" && titles.length === 0 ? [basename(name)] : titles;
  });
  // Its set-up may break before any of them runs.
  if (code !== 0 && faults.length === 0) faults.push("an error outside of the tests");
  const failed = faults.filter((title) => !(title in mayFail));
  return { passed: numPassedTests, failed, output };
}

type Report = {
  numPassedTests: number;
  testResults: {
    name: string;
    status: string;
    assertionResults: { title: string; status: string }[];
  }[];
};

function runVitest(dir: string, args: string[]): Promise<{ code: number; output: string }> {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  // Nothing of a run around this one, and no server but its own: it makes a template there.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: "1" };
  const child = spawn(process.execPath, [vitest, ...args], {
    ...{ cwd: dir, env, timeout: RUN_LIMIT_MS },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-SHOWN_CHARACTERS);
    });
  }
  return new Promise((settle, reject) => {
    child.once("error", reject);
    child.once("close", (code) => settle({ code: code ?? 1, output }));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const release = await readPreviousRelease();
  const dir = await layOutPrevious(release.commit);
  try {
    const { passed, failed, output } = await runPreviousSuite(dir, release, process.argv.slice(2));
    console.log([output, ...failed, `${passed} passed, ${failed.length} failed`].join("\n"));
    process.exitCode = failed.length > 0 ? 1 : 0;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
