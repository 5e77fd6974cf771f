/**
 * A worker process for tests that kill it: the same worker as main.ts makes, with the test's
 * provider behind its generator. It tells its parent where it is, and holds where it is told to.
 */
import { connectDatabase } from "@ducat/db/connect";
import { createBus } from "@ducat/events/bus";
import { createSeal } from "@ducat/messages/seal";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { createPaymentDeps, type ProviderSettings } from "@ducat/payments/providers";
import { connectQueue, type QueueOptions } from "@ducat/queue/queue";
import { createDiskBlobs } from "@ducat/storage/disk";
import { createImageIntake } from "@ducat/storage/image-intake";
import { createPhotoFetcher } from "../src/fetch-photo.ts";
import type { Generator } from "../src/generators/generator.ts";
import type { Log } from "../src/log.ts";
import type { At, Point } from "../src/points.ts";
import type { Timings } from "../src/timings.ts";
import { createWebhookSender } from "../src/webhooks/send-webhook.ts";
import { createWorker } from "../src/worker.ts";
import { createFalHere } from "./fal-here.ts";
import { createProviderGenerator } from "./provider-generator.ts";
import type { LogLine } from "./stage.ts";
import { createWriter } from "./writer.ts";

/** Which point to hold at, by item; `*` is for what belongs to none. */
export type Arms = Record<string, Point>;

export type ChildConfig = {
  databaseUrl: string;
  queue: QueueOptions;
  dir: string;
  providerUrl: string;
  timings: Partial<Timings>;
  graceMs: number;
  arms: Arms;
  payments: ProviderSettings;
  /** Who may get webhooks although they are on this machine. */
  webhookHosts: string[];
  /** A model server, whose fal makes everything instead of the test's provider. */
  falUrl?: string | undefined;
  /** Texts that come word by word, of this process's own making. */
  isWriter?: boolean | undefined;
};

export type ToChild = { arm: Arms } | { resume: string };

export type FromChild =
  | { type: "started" }
  | { type: "at"; point: Point; item: string }
  | { type: "stuck"; reason: string }
  | { type: "log"; line: LogLine };

const config = JSON.parse(process.argv[2] ?? "") as ChildConfig;
const tell = (message: FromChild) => {
  if (process.connected) process.send?.(message);
};
const write = (level: LogLine["level"]) => (detail: Record<string, unknown>, message: string) => {
  tell({ type: "log", line: { ...detail, level, message } });
};
const log: Log = { info: write("info"), warn: write("warn"), error: write("error") };

function createGenerator(): Generator {
  const { falUrl, isWriter, providerUrl } = config;
  if (isWriter) return createWriter();
  return falUrl ? createFalHere(falUrl) : createProviderGenerator({ url: providerUrl });
}

const arms = config.arms;
const held = new Map<string, () => void>();
const at: At = async (point, item = "*") => {
  tell({ type: "at", point, item });
  if (arms[item] === point) await new Promise<void>((resolve) => held.set(item, resolve));
};

const db = connectDatabase({ url: config.databaseUrl, role: "ducat_worker" });
const queue = connectQueue({ ...config.queue, log });
const bus = createBus({ postgresUrl: config.databaseUrl, log });
const payments = createPaymentDeps(config.payments, {
  db,
  mode: "test",
  publicUrl: "http://127.0.0.1:1",
  secretKeys: ["s".repeat(32)],
  log,
});
const worker = createWorker({
  db,
  payments,
  messages: { senders: {}, seal: createSeal(["s".repeat(32)]) },
  deliveries: {
    send: createWebhookSender({ allowHosts: config.webhookHosts }),
    secrets: createWebhookSecrets(["s".repeat(32)]),
  },
  queue,
  bus,
  log,
  at,
  blobs: createDiskBlobs({ dir: config.dir }),
  imageIntake: createImageIntake(),
  fetchPhoto: createPhotoFetcher(),
  generators: { local: createGenerator() },
  concurrency: 60,
  timings: config.timings,
  onStuck: (reason) => tell({ type: "stuck", reason }),
});

process.on("message", (message: ToChild) => {
  if ("arm" in message) Object.assign(arms, message.arm);
  else {
    delete arms[message.resume];
    held.get(message.resume)?.();
  }
});
process.once("disconnect", () => process.exit(1));
process.once("SIGTERM", async () => {
  log.info({}, "stopping");
  await worker.close({ graceMs: config.graceMs });
  await queue.close();
  await bus.close();
  await db.end({ timeout: 5 });
  process.exit(0);
});

await worker.start();
tell({ type: "started" });
