import { readFileSync } from "node:fs";
import { connectDatabase } from "@ducat/db/connect";
import { createBus } from "@ducat/events/bus";
import { createSeal } from "@ducat/messages/seal";
import { createSenders } from "@ducat/messages/senders";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { createPaymentDeps } from "@ducat/payments/providers";
import { connectQueue } from "@ducat/queue/queue";
import { createImageIntake } from "@ducat/storage/image-intake";
import { openBlobs } from "@ducat/storage/settings";
import closeWithGrace from "close-with-grace";
import { pino } from "pino";
import { type Env, parseEnv } from "./env.ts";
import { createPhotoFetcher } from "./fetch-photo.ts";
import { createAddressViews } from "./generators/address-views.ts";
import { createLocalGenerator } from "./generators/local.ts";
import { openGenerators } from "./generators/open-generators.ts";
import { type Listener, listen } from "./listen.ts";
import { createMetrics } from "./metrics.ts";
import { type ProviderSettings, readProviders } from "./model-settings.ts";
import { createReadiness } from "./readiness.ts";
import { safeError } from "./safe-error.ts";
import { createWebhookSender } from "./webhooks/send-webhook.ts";
import { createWorker } from "./worker.ts";

/** Running items have this long to end before they are given back. */
const graceMs = 25_000;
/** Beyond the grace: giving back, closing. */
const closeLimitMs = graceMs + 10_000;

function readEnv(): Env & { providers: ProviderSettings[] } {
  try {
    const read = parseEnv(process.env);
    const path = read.MODEL_PROVIDERS;
    const file = path === undefined ? undefined : readFileSync(path, "utf8");
    return { ...read, providers: readProviders(read, { file, source: process.env }) };
  } catch (error) {
    pino({ name: "worker" }).fatal((error as Error).message);
    process.exit(1);
  }
}

const env = readEnv();
const log = pino({ name: "worker", level: env.LOG_LEVEL });
const db = connectDatabase({ url: env.DATABASE_URL, role: "ducat_worker" });
const queue = connectQueue({ ...env.queue, log });
const bus = createBus({ ...env.bus, log });
const payments = createPaymentDeps(env, {
  db,
  mode: env.DUCAT_MODE,
  publicUrl: env.PUBLIC_URL,
  secretKeys: env.SECRET_KEYS,
  log,
});
const senders = createSenders(env, log);
for (const [channel, name] of [
  ["email", "SMTP_URL"],
  ["sms", "SMS_URL"],
] as const) {
  if (!senders[channel]) log.warn({ channel }, `${name} is not set: these messages wait`);
}
const metrics = createMetrics({ db, log });
const imageIntake = createImageIntake();
const fetchPhoto = createPhotoFetcher({ allowHosts: env.FETCH_ALLOW_HOSTS });
const { GOOGLE_MAPS_KEY: mapsKey, GOOGLE_MAPS_URL: url } = env;
const views = mapsKey ? createAddressViews({ key: mapsKey, url, imageIntake }) : undefined;
const worker = createWorker({
  meter: metrics.meter,
  db,
  queue,
  bus,
  payments,
  messages: {
    ...{ senders, brand: env.MAIL_FROM?.name, seal: createSeal(env.SECRET_KEYS) },
    loginPageUrl: env.LOGIN_PAGE_URL,
  },
  deliveries: {
    send: createWebhookSender({ allowHosts: env.FETCH_ALLOW_HOSTS }),
    secrets: createWebhookSecrets(env.SECRET_KEYS),
  },
  log,
  blobs: await openBlobs(env),
  imageIntake,
  fetchPhoto,
  generators: {
    ...(await openGenerators(env.providers, { imageIntake, fetchPhoto, views, log })),
    local: createLocalGenerator({ simulate: env.DUCAT_MODE === "test" }),
  },
  providers: env.providers,
  concurrency: env.WORKER_CONCURRENCY,
  // Nothing runs, so there is nothing to give back; whoever supervises us starts a new one.
  onStuck(reason) {
    log.fatal({ reason }, "stuck, leaving to be started again");
    process.exit(1);
  },
});

let listener: Listener | undefined;
const stop = async (limitMs: number) => {
  await worker.close({ graceMs: limitMs });
  await listener?.close();
  await Promise.all([queue.close(), bus.close(), senders.email?.close(), senders.sms?.close()]);
  await db.end({ timeout: 5 });
};

// The second signal ends the process at once; what it worked on comes back by its lease.
closeWithGrace({ delay: closeLimitMs, logger: false }, async ({ signal, err }) => {
  if (err) log.fatal({ err: safeError(err) }, "stopping after an error");
  else log.info({ signal }, "stopping");
  await stop(err ? 0 : graceMs);
});

try {
  if (env.METRICS_PORT !== undefined) {
    const { METRICS_HOST: host, METRICS_PORT: port, METRICS_TOKEN: token } = env;
    const readReadiness = createReadiness(db, worker);
    listener = await listen({ metrics, readReadiness, token, log }, { host, port });
    log.info({ host, port }, "answering /livez, /readyz and /metrics");
  }
  await worker.start();
} catch (error) {
  // Closing while it starts ends the start too; that is no fault.
  if ((error as Error).name !== "AbortError") {
    log.fatal((error as Error).message);
    await stop(0);
    process.exit(1);
  }
}
