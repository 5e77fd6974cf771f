import { accessSync, appendFileSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Programs that some suites need and that are no npm packages. */
export type Part = "redis-server" | "chromium";

/** The path of the redis-server on PATH, if there is one. */
export const findRedisServer = (): string | undefined => findProgram("redis-server");

/**
 * The path of the program, or undefined when it is not on PATH: then skip the suite. `npm test`
 * tells the reader which suites were left out; with CI=true a missing part is an error here.
 */
export function requirePart(part: Part, suite: string): string | undefined {
  const path = findProgram(part);
  if (path !== undefined) return path;
  if (process.env.CI === "true") {
    throw new Error(`${part} is not on PATH, and CI=true runs every suite.`);
  }
  noteMissing(`${suite}: not run, ${part} is not on PATH`);
  return undefined;
}

/**
 * The path of a program that suites can do without, even in CI, or undefined: then skip the suite,
 * which is told as that of a missing part is.
 */
export function findExtra(program: string, suite: string): string | undefined {
  const path = findProgram(program);
  if (path === undefined) noteMissing(`${suite}: not run, ${program} is not on PATH`);
  return path;
}

/** Tells at the end of `npm test`, or else at once, what was not run and why. */
export function noteMissing(line: string): void {
  const { DUCAT_MISSING_PARTS } = process.env;
  if (DUCAT_MISSING_PARTS) appendFileSync(DUCAT_MISSING_PARTS, `${line}\n`);
  else console.warn(line);
}

function findProgram(name: string): string | undefined {
  const endings = process.platform === "win32" ? [".exe", ".cmd"] : [""];
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    for (const ending of endings) {
      const path = join(dir || ".", name + ending);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
