import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { onTestFinished } from "vitest";

type Report = {
  outcomes: Record<string, string>;
  idle: number;
  peak: number;
  slowestGoodMs: number;
};

/** glibc keeps what its many arenas free: with these it gives back, and so the API is run. */
const allocator = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "1048576" };

/**
 * Memory in MiB of a process of its own that takes these files in, eight at a time, while a good
 * photo goes through again and again.
 */
export async function measureMemory(files: Record<string, Buffer>): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), "intake-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  const sky = { width: 3000, height: 2000, channels: 3, background: "#888", noise } as const;
  await writeFile(join(folder, "good"), await sharp({ create: sky }).jpeg().toBuffer());
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  const child = join(import.meta.dirname, "measure-intake.ts");
  const run = promisify(execFile)(process.execPath, ["--import", "tsx", child, folder], {
    env: { ...process.env, ...allocator },
  });
  return JSON.parse((await run).stdout);
}
