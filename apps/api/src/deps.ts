import type { Cache } from "@ducat/cache/cache";
import type { Db } from "@ducat/db/connect";
import type { Entitlements } from "@ducat/entitlements/entitlements";
import type { Bus } from "@ducat/events/bus";
import type { WebhookSecrets } from "@ducat/messages/webhook-secrets";
import type { PaymentDeps } from "@ducat/payments/providers";
import type { Queue } from "@ducat/queue/queue";
import type { Blobs } from "@ducat/storage/blobs";
import type { ImageIntake } from "@ducat/storage/image-intake";
import type { UrlSigner } from "@ducat/storage/signed-url";
import type { HttpBindings } from "@hono/node-server";
import type { Logger } from "pino";
import type { AccountTokens } from "./account-token.ts";
import type { Principal } from "./auth.ts";
import type { Csv } from "./csv/stream-csv.ts";
import type { Enqueue } from "./enqueue.ts";
import type { ExternalIssuers } from "./external-issuers.ts";
import type { Limits } from "./limits/connect-limits.ts";
import type { SeenLimit } from "./limits/limit.ts";
import type { LoginDeps } from "./logins/deps.ts";
import type { QueueCookies } from "./queue-cookies.ts";

/** What the routes are made of. */
export type Deps = {
  db: Db;
  queue: Queue;
  payments: PaymentDeps;
  blobs: Blobs;
  urlSigner: UrlSigner;
  imageIntake: ImageIntake;
  /** sha256 of ROOT_KEY; the key itself stays in main.ts. */
  rootKeyHash: Buffer;
  /** What this process remembers, dropped in every process when it changes. */
  cache: Cache;
  /** Wakes who reads streams or waits, in every process. */
  bus: Bus;
  /** What accounts may do, remembered in the same way. */
  entitlements: Entitlements;
  /** Lists as files; few at a time. */
  csv: Csv;
  /** Where requests are counted. */
  limits: Limits;
  accountTokens: AccountTokens;
  externalIssuers: ExternalIssuers;
  logins: LoginDeps;
  /** How browsers stay in the queues' dashboard. */
  queueCookies: QueueCookies;
  /** What signs outgoing webhooks. */
  webhookSecrets: WebhookSecrets;
  mode: "test" | "live";
  publicUrl: string;
  allowedOrigins: string[];
  /** `host:port` pairs that webhooks may go to although they are on a private network: tests. */
  fetchAllowHosts: readonly string[];
  /** How many proxies of ours stand before us, each of which adds to X-Forwarded-For. */
  proxyHops: number;
  metricsToken: string | undefined;
  /** Milliseconds, for ages and cache times of this process; business time is the database's. */
  now: () => number;
  log: Logger;
  /** Aborted when the process begins to stop. */
  closing: AbortSignal;
  enqueue: Enqueue;
};

export type AppEnv = {
  /** Node's request and response; absent when a test calls the app without a server. */
  Bindings: Partial<HttpBindings>;
  Variables: {
    requestId: string;
    /** Where the caller is, as far as it is known (client-ip.ts). */
    clientIp: string | undefined;
    principal: Principal;
    /** The account acted for, on routes that need one. */
    accountId: string;
    /** Refused because of all the others: nothing is broken. */
    isBusy?: boolean;
    /** How the limits stand that this request was counted by; not set where it is by none. */
    limits?: SeenLimit[];
    /** The JSON body as it was sent, before defaults: what a fingerprint is made of. */
    sent: unknown;
  };
};
