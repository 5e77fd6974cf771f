import { connectQueue, type QueueOptions } from "../src/queue.ts";

/**
 * A worker process for tests. It says "running" when a handler starts; that handler ends with the
 * process, or when its signal is aborted. At "close" on its input it closes everything and says
 * "closed"; then nothing may keep it alive.
 */
const options = JSON.parse(process.argv[2] ?? "{}") as QueueOptions & { lockMs: number };
const queue = connectQueue(options);
const handler = async (_: unknown, { signal }: { signal: AbortSignal }) => {
  process.stdout.write("running\n");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
};
const work = queue.work("run-item", handler, { concurrency: 1, lockMs: options.lockMs });
process.stdin.once("data", async () => {
  process.stdin.destroy();
  await work.close({ graceMs: 0 });
  await queue.close();
  process.stdout.write("closed\n");
});
