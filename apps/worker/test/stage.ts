import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSeal } from "@ducat/messages/seal";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { createPaymentDeps } from "@ducat/payments/providers";
import { connectQueue, type Queue, type QueueOptions } from "@ducat/queue/queue";
import type { Blobs } from "@ducat/storage/blobs";
import { createDiskBlobs } from "@ducat/storage/disk";
import { createImageIntake } from "@ducat/storage/image-intake";
import { expect, inject, vi } from "vitest";
import type { NewGeneration } from "../../../packages/db/src/generations.ts";
import { cloneDatabase, type TestDatabase } from "../../../packages/db/test/clone.ts";
import { givePurchase, makeAccount, makeGeneration } from "../../../packages/db/test/factories.ts";
import { assertInvariants } from "../../../packages/db/test/invariants.ts";
import { type Bus, createBus } from "../../../packages/events/src/bus.ts";
import { migrateQueue } from "../../../packages/queue/src/migrate.ts";
import { createPhotoFetcher } from "../src/fetch-photo.ts";
import type { Log } from "../src/log.ts";
import type { Timings } from "../src/timings.ts";
import { createWebhookSender } from "../src/webhooks/send-webhook.ts";
import { createWorker, type Worker, type WorkerDeps } from "../src/worker.ts";
import { type Provider, startProvider, type Wishes } from "./provider.ts";
import { createProviderGenerator } from "./provider-generator.ts";

export type Kind = "postgres" | "redis";

/** Everything quick, nothing so quick that a busy machine would look dead. */
export const quick: Partial<Timings> = {
  leaseSeconds: 2,
  heartbeatMs: 300,
  recheckAfterMs: 0,
  databaseWaitMs: 10_000,
  retryMs: 50,
  jobLockMs: 1_500,
  sweepMs: 100,
  sweepRetrySeconds: 0.5,
  webhooksMs: 100,
  webhookLeaseSeconds: 2,
  bootRetryMs: 50,
  deliver: { pollMs: 100, slowMs: 2_000, leaseSeconds: 2 },
};

/** Nobody listens there: the port is reserved and never given out. */
const nowhere = "http://127.0.0.1:1";

export type MadeItem = { accountId: string; generationId: string; itemId: string };

type StoredFile = { key: string; type: string; sha256: string };

export type ItemRow = {
  id: string;
  status: string;
  attempt: number;
  failures: number;
  attempt_token: string | null;
  provider_request_id: string | null;
  error_code: string | null;
  captured: number;
  refunded: number;
  output: ({ kind: string; text?: string; thumbnail?: StoredFile } & Partial<StoredFile>) | null;
};

export type LogLine = { level: "info" | "warn" | "error"; message: string } & Record<
  string,
  unknown
>;

export type Stage = {
  kind: Kind;
  db: TestDatabase;
  provider: Provider;
  blobs: Blobs;
  /** Where blobs lie. */
  dir: string;
  queue: Queue;
  queueOptions: QueueOptions;
  /** Where its workers tell what is new. */
  bus: Bus;
  /** `host:port` of who may get webhooks although they are here; before a worker is made. */
  webhookHosts: string[];
  /** What workers in this process have logged. */
  lines: LogLine[];
  /** A worker in this process. */
  createWorker(overrides?: Partial<WorkerDeps>): Worker;
  closeWorkers(): Promise<void>;
  /** Runs before the stage goes. */
  onClose(run: () => Promise<unknown>): void;
  /** A generation of one item, five credits from two grants, on an account of its own. */
  makeItem(wishes?: Wishes, more?: Partial<NewGeneration>): Promise<MadeItem>;
  enqueue(...items: MadeItem[]): Promise<void>;
  /** Lets the time pass until the sweeper looks at these items. */
  makeDue(...items: MadeItem[]): Promise<void>;
  /** What FLUSHALL or TRUNCATE leave. */
  wipeQueue(): Promise<void>;
  read(itemId: string): Promise<ItemRow>;
  /** Waits until the items have ended and returns their rows. */
  ended(...items: MadeItem[]): Promise<ItemRow[]>;
  close(): Promise<void>;
};

/** Waits until the check stops throwing. */
export const eventually = <T>(check: () => T | Promise<T>, timeout = 45_000) =>
  vi.waitFor(check, { timeout, interval: 25 });

/** A promise that the test settles. */
export function makeGate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

type Servers = { db?: TestDatabase; redisUrl?: string | null; blobs?: Blobs };

/**
 * A database, a queue, a provider and a folder of the test's own, on the run's servers or others.
 */
export async function setStage(kind: Kind, servers: Servers = {}): Promise<Stage> {
  const { db = await cloneDatabase(), redisUrl = inject("redis") } = servers;
  const provider = await startProvider();
  const dir = await mkdtemp(join(tmpdir(), "ducat-worker-"));
  const { blobs = createDiskBlobs({ dir }) } = servers;
  const queueOptions = await openQueuePlace(kind, db, redisUrl);
  const queue = connectQueue(queueOptions);
  const workers: Worker[] = [];
  const queues: Queue[] = [queue];
  const lines: LogLine[] = [];
  const bus = createBus({ postgresUrl: db.url, log: makeLog(lines) });
  const webhookHosts: string[] = [];
  const endings: (() => Promise<unknown>)[] = [];

  const read = async (itemId: string) => {
    const [row] = await db.admin<ItemRow[]>`
      SELECT id, status, attempt, failures, attempt_token, provider_request_id, error_code,
        captured, refunded, output
      FROM ducat.generation_items WHERE id = ${itemId}`;
    if (!row) throw new Error("no such item");
    return row;
  };

  const closeWorkers = async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close({ graceMs: 0 })));
  };

  return {
    kind,
    db,
    provider,
    blobs,
    dir,
    queue,
    queueOptions,
    bus,
    webhookHosts,
    lines,
    createWorker(overrides) {
      const own = connectQueue(queueOptions);
      queues.push(own);
      const log = makeLog(lines);
      const worker = createWorker({
        db: db.worker,
        queue: own,
        bus,
        payments: createPaymentDeps(
          {},
          { db: db.worker, mode: "test", publicUrl: nowhere, secretKeys: ["s".repeat(32)], log },
        ),
        messages: { senders: {}, seal: createSeal(["s".repeat(32)]) },
        deliveries: {
          send: createWebhookSender({ allowHosts: webhookHosts }),
          secrets: createWebhookSecrets(["s".repeat(32)]),
        },
        blobs,
        log,
        imageIntake: createImageIntake(),
        fetchPhoto: createPhotoFetcher({ allowHosts: [new URL(provider.url).host] }),
        generators: { local: createProviderGenerator({ url: provider.url }) },
        concurrency: 20,
        onStuck: (reason) => expect.unreachable(reason),
        timings: quick,
        ...overrides,
      });
      workers.push(worker);
      return worker;
    },
    closeWorkers,
    onClose: (run) => void endings.push(run),
    async makeItem(wishes = {}, more = {}) {
      const account = await makeAccount(db.app);
      await givePurchase(db.app, account.id, 7, { expiresAt: grantExpiry });
      const generation = await makeGeneration(db.app, account.id, {
        params: wishes,
        unitCost: 5,
        ...more,
      });
      const [itemId = ""] = generation.item_ids;
      return { accountId: account.id, generationId: generation.id, itemId };
    },
    async enqueue(...items) {
      const jobs = items.map((data) => ({
        id: `${data.itemId}-0`,
        data: { ...data, attempt: 0 },
      }));
      await queue.add("run-item", jobs);
    },
    async makeDue(...items) {
      const ids = items.map(({ itemId }) => itemId);
      await db.admin`UPDATE ducat.generation_items SET due_at = clock_timestamp(), readds = 0
        WHERE id = ANY (${ids}::uuid[])`;
    },
    async wipeQueue() {
      if (kind === "postgres") {
        await db.admin`TRUNCATE bullmq.job, bullmq.event CASCADE`;
        return;
      }
      // Not on the run's own Redis, which others use.
      if (redisUrl !== inject("redis")) await flushAll(redisUrl ?? "");
      else await queue.bull("run-item").obliterate({ force: true });
    },
    read,
    async ended(...items) {
      const ids = items.map(({ itemId }) => itemId);
      return await eventually(async () => {
        const rows = await Promise.all(ids.map(read));
        for (const row of rows) expect(row.status).toMatch(/completed|failed|canceled/);
        return rows;
      });
    },
    async close() {
      await Promise.all(endings.map((run) => run()));
      await closeWorkers();
      await Promise.all([bus, ...queues].map((one) => one.close()));
      await provider.close();
      await db.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A year ahead, to the millisecond, as a grant keeps it. */
const grantExpiry = new Date(Math.floor(Date.now() / 1_000) * 1_000 + 365 * 86_400_000);

/**
 * The books after the storm: the invariants, each item captured or refunded exactly once, and what
 * was refunded back in the grants that it came from, with their expiry.
 */
export async function assertBooks(stage: Stage, items: MadeItem[]): Promise<void> {
  await assertInvariants(stage.db.admin);
  for (const { accountId, itemId } of items) {
    const row = await stage.read(itemId);
    const isCaptured = row.status === "completed";
    expect([row.captured, row.refunded]).toEqual(isCaptured ? [5, 0] : [0, 5]);
    const grants = await stage.db.admin`
      SELECT source, remaining, expires_at FROM ducat.credit_grant_balances
      WHERE account_id = ${accountId} ORDER BY priority`;
    expect(grants).toEqual([
      expect.objectContaining({ source: "trial", remaining: isCaptured ? 0 : 3 }),
      { source: "purchase", remaining: isCaptured ? 5 : 7, expires_at: grantExpiry },
    ]);
    for (const key of [row.output?.key, row.output?.thumbnail?.key]) {
      if (key) expect(await stage.blobs.has(key)).toBe(true);
    }
  }
}

async function openQueuePlace(
  kind: Kind,
  db: TestDatabase,
  redisUrl: string | null,
): Promise<QueueOptions> {
  if (kind === "redis") return { url: redisUrl ?? "", prefix: `{${randomUUID()}}` };
  await migrateQueue(db.url, { role: "ducat_queue" });
  return { url: db.url, role: "ducat_queue" };
}

async function flushAll(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write("FLUSHALL\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(answer.toString()).toBe("+OK\r\n");
}

function makeLog(lines: LogLine[]): Log {
  const write = (level: LogLine["level"]) => (detail: Record<string, unknown>, message: string) => {
    lines.push({ ...detail, level, message });
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}
