import { execFile } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { lowerDocument } from "./lower-document.ts";

const run = promisify(execFile);
const mostOutput = 16 * 1024 * 1024;

/** The generator with everything that it and what it writes need: Jackson, JSR 305. */
const jar = createRequire(import.meta.url).resolve(
  "@openapitools/openapi-generator-cli/bin/openapi-generator.jar",
);
/** The client of Java's own HttpClient, without wrappers for what may be left out. */
const options = [
  ...["-g", "java", "--library", "native", "-p", "openApiNullable=false,dateLibrary=java8"],
  ...["--invoker-package", "ducat", "--api-package", "ducat.api"],
  ...["--model-package", "ducat.model", "--global-property"],
  "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false",
];

export type JavaClient = {
  /** How many classes were written. */
  classes: number;
  /** What the generator warned of. */
  warnings: string[];
  /** What a program of one class writes that is compiled with the client. */
  run(source: string, name: string, args: string[]): Promise<string>;
};

/** A client in Java that is generated from the description and compiled, in this empty folder. */
export async function makeJavaClient(document: object, dir: string): Promise<JavaClient> {
  const description = join(dir, "openapi.json");
  const classes = join(dir, "classes");
  await writeFile(description, JSON.stringify(lowerDocument(document)));
  await mkdir(classes);
  const generate = ["-jar", jar, "generate", "-i", description, "-o", join(dir, "client")];
  const { stdout, stderr } = await call("java", [...generate, ...options]);
  const folder = join(dir, "client/src/main/java");
  const files = (await readdir(folder, { recursive: true })).filter((one) => /\.java$/.test(one));
  const sources = files.map((one) => join(folder, one));
  await compile(sources, [jar], classes);
  return {
    classes: files.length,
    warnings: `${stdout}\n${stderr}`.split("\n").filter((line) => line.includes(" WARN ")),
    async run(source, name, args) {
      await compile([source], [jar, classes], classes);
      const path = [jar, classes].join(process.platform === "win32" ? ";" : ":");
      return (await call("java", ["-cp", path, name, ...args])).stdout;
    },
  };
}

async function compile(sources: string[], path: string[], to: string): Promise<void> {
  const places = ["-cp", path.join(process.platform === "win32" ? ";" : ":"), "-d", to];
  // What the annotations of the generator's jar could do is not wanted here.
  await call("javac", ["-proc:none", "-nowarn", ...places, ...sources]);
}

/** For virtual machines that live for seconds. */
const machine = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dfile.encoding=UTF-8";
const call = (program: string, args: string[]) =>
  run(program, args, {
    maxBuffer: mostOutput,
    timeout: 240_000,
    env: { PATH: process.env.PATH, JAVA_TOOL_OPTIONS: machine },
  });
