import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "@ducat/types/errors";
import { readPeak } from "../../../infra/test/read-peak.ts";
import { createImageIntake } from "../src/image-intake.ts";

/**
 * Takes every file of a folder in, eight at a time, two rounds, while a good picture is taken in
 * again and again; prints what became of each and the memory it took, in MiB, as JSON.
 */
const folder = process.argv[2] ?? "";
const { intake } = createImageIntake();
const mebibyte = 1024 * 1024;
const names = await readdir(folder);
const good = await readFile(join(folder, "good"));

const outcomes: Record<string, string> = {};
async function takeIn(name: string): Promise<string> {
  try {
    const { width, height } = await intake(await readFile(join(folder, name)));
    return `${width} x ${height}`;
  } catch (error) {
    return error instanceof DomainError ? error.code : String(error);
  }
}

await intake(good);
const idle = process.memoryUsage.rss();
const queue = [1, 2].flatMap(() => names);
let running = true;
let slowestGoodMs = 0;

async function uploadAll(): Promise<void> {
  for (let name = queue.shift(); name; name = queue.shift()) outcomes[name] = await takeIn(name);
}

async function uploadGood(): Promise<void> {
  while (running) {
    const start = performance.now();
    await intake(good);
    slowestGoodMs = Math.max(slowestGoodMs, performance.now() - start);
  }
}

const parallelGood = uploadGood();
await Promise.all(Array.from({ length: 8 }, uploadAll));
running = false;
await parallelGood;

const peak = readPeak() / mebibyte;
const report = { outcomes, idle: idle / mebibyte, peak, slowestGoodMs };
process.stdout.write(JSON.stringify(report));
