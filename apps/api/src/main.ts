import { createCache } from "@ducat/cache/cache";
import { connectDatabase } from "@ducat/db/connect";
import { connectLoginStore } from "@ducat/db/logins";
import { createEntitlements } from "@ducat/entitlements/entitlements";
import { keepWarm } from "@ducat/entitlements/warm-up";
import { createBus } from "@ducat/events/bus";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { createPaymentDeps } from "@ducat/payments/providers";
import { connectQueue } from "@ducat/queue/queue";
import { createImageIntake } from "@ducat/storage/image-intake";
import { openBlobs } from "@ducat/storage/settings";
import { createUrlSigner } from "@ducat/storage/signed-url";
import closeWithGrace from "close-with-grace";
import { createAccountTokens } from "./account-token.ts";
import { hashKey } from "./api-key.ts";
import { createApp } from "./app.ts";
import { createCsv } from "./csv/stream-csv.ts";
import { createEnqueue } from "./enqueue.ts";
import { type Env, parseEnv } from "./env.ts";
import { createExternalIssuers } from "./external-issuers.ts";
import { connectLimits } from "./limits/connect-limits.ts";
import { createLog } from "./log.ts";
import { createLoginDeps } from "./logins/deps.ts";
import { createQueueCookies } from "./queue-cookies.ts";
import { startServer } from "./server.ts";

const requestsGraceMs = 25_000;
const allGraceMs = 35_000;
/** What some ten thousand accounts may do, and who they are. */
const cacheBytes = 64_000_000;

async function main(env: Env): Promise<void> {
  const log = createLog(env.LOG_LEVEL);
  const closing = new AbortController();
  const db = connectDatabase({ url: env.DATABASE_URL, role: "ducat_app", name: "ducat api" });
  const queue = connectQueue({ ...env.queue, log });
  const enqueue = createEnqueue({ queue, log });
  const payments = createPaymentDeps(env, {
    db,
    mode: env.DUCAT_MODE,
    publicUrl: env.PUBLIC_URL,
    secretKeys: env.SECRET_KEYS,
    log,
  });
  const loginStore = connectLoginStore({ url: env.DIRECT_DATABASE_URL });
  const between = { postgresUrl: env.DIRECT_DATABASE_URL, redisUrl: env.REDIS_URL, log };
  const cache = createCache({ ...between, maxBytes: cacheBytes });
  const bus = createBus(between);
  const entitlements = createEntitlements({ db, cache, log });
  const limits = connectLimits({ redisUrl: env.REDIS_URL, db, now: Date.now, log });
  const secrets = { secrets: env.SECRET_KEYS, mode: env.DUCAT_MODE, now: Date.now };
  const app = createApp({
    db,
    queue,
    payments,
    enqueue,
    blobs: await openBlobs(env),
    urlSigner: createUrlSigner({ baseUrl: env.PUBLIC_URL, secrets: env.SECRET_KEYS }),
    imageIntake: createImageIntake(),
    rootKeyHash: hashKey(env.ROOT_KEY),
    cache,
    bus,
    entitlements,
    csv: createCsv({ log }),
    limits,
    accountTokens: createAccountTokens(secrets),
    webhookSecrets: createWebhookSecrets(env.SECRET_KEYS),
    queueCookies: createQueueCookies({ ...secrets, publicUrl: env.PUBLIC_URL }),
    logins: createLoginDeps({
      ...{ db, cache, log, store: loginStore, mode: env.DUCAT_MODE, publicUrl: env.PUBLIC_URL },
      secretKeys: env.SECRET_KEYS,
      sms: { countries: env.SMS_COUNTRIES, dailyLimit: env.SMS_DAILY_LIMIT },
    }),
    externalIssuers: createExternalIssuers({
      ...{ issuers: env.OIDC_ISSUERS, allowedOrigins: env.ALLOWED_ORIGINS },
      ...{ secrets: env.SECRET_KEYS, now: Date.now, log },
    }),
    mode: env.DUCAT_MODE,
    publicUrl: env.PUBLIC_URL,
    allowedOrigins: env.ALLOWED_ORIGINS,
    fetchAllowHosts: env.FETCH_ALLOW_HOSTS,
    proxyHops: env.PROXY_HOPS,
    metricsToken: env.METRICS_TOKEN,
    now: Date.now,
    log,
    closing: closing.signal,
  });
  const server = await startServer(app, { host: env.HOST, port: env.PORT });
  const providers = [...payments.providers.keys()];
  const { port } = server;
  log.info({ port, mode: env.DUCAT_MODE, queue: queue.kind, providers }, "listening");

  const noting = keepWarm({ db, cache, entitlements, log }, closing.signal);

  closeWithGrace({ delay: allGraceMs, logger: log }, async ({ err, signal }) => {
    if (err) log.fatal({ err }, "an error that nobody handled");
    log.info({ signal }, "stopping");
    closing.abort();
    await server.close(requestsGraceMs);
    await noting.stop();
    await enqueue.drain();
    // What the last requests have used, in an order in which nothing misses what it needs.
    for (const part of [queue, bus, cache, limits, loginStore]) await part.close();
    await db.end({ timeout: 5 });
    log.info("stopped");
  });
}

try {
  await main(parseEnv(process.env));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
