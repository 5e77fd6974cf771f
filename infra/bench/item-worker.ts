import { pino } from "pino";
import type { Generator } from "../../apps/worker/src/generators/generator.ts";
import { createWebhookSender } from "../../apps/worker/src/webhooks/send-webhook.ts";
import { createWorker } from "../../apps/worker/src/worker.ts";
import { connectDatabase } from "../../packages/db/src/connect.ts";
import { createBus } from "../../packages/events/src/bus.ts";
import { createSeal } from "../../packages/messages/src/seal.ts";
import { createWebhookSecrets } from "../../packages/messages/src/webhook-secrets.ts";
import { createPaymentDeps } from "../../packages/payments/src/providers.ts";
import { connectQueue } from "../../packages/queue/src/queue.ts";
import { createDiskBlobs } from "../../packages/storage/src/disk.ts";
import { createImageIntake } from "../../packages/storage/src/image-intake.ts";
import { createCountdown } from "./countdown.ts";

// The worker as production runs it, with a generator that answers at once.
const { CONCURRENCY, DATA_DIR = "", DATABASE_URL = "", QUEUE = "{}" } = process.env;
const log = pino({ name: "worker" });
const countdown = createCountdown();

const text: Generator = {
  name: "local",
  run: async () => ({ status: "completed", output: { kind: "text", text: "Done." } }),
};

const secretKeys = ["s".repeat(32)];
const db = connectDatabase({ url: DATABASE_URL, role: "ducat_worker" });
const worker = createWorker({
  db,
  bus: createBus({ postgresUrl: DATABASE_URL, log }),
  queue: connectQueue({ ...JSON.parse(QUEUE), log }),
  payments: createPaymentDeps(
    {},
    { db, mode: "test", publicUrl: "http://127.0.0.1:1", secretKeys, log },
  ),
  messages: { senders: {}, seal: createSeal(secretKeys) },
  deliveries: { send: createWebhookSender(), secrets: createWebhookSecrets(secretKeys) },
  log,
  blobs: createDiskBlobs({ dir: DATA_DIR }),
  imageIntake: createImageIntake(),
  fetchPhoto: () => Promise.reject(new Error("the bench has no photos")),
  generators: { local: text },
  concurrency: Number(CONCURRENCY),
  onStuck: () => process.exit(1),
  at: (point) => {
    if (point === "before-ack") countdown.count();
  },
});
await worker.start();
