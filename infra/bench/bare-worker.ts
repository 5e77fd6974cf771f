import { startBareWorker } from "./bare-queue.ts";
import { createCountdown } from "./countdown.ts";

// BullMQ alone: a handler that does nothing.
const { CONCURRENCY, PLACE = "" } = process.env;
const countdown = createCountdown();
const worker = startBareWorker(JSON.parse(PLACE), Number(CONCURRENCY), async () =>
  countdown.count(),
);
await worker.waitUntilReady();
