import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectLoginStore } from "@ducat/db/logins";
import { createEntitlements } from "@ducat/entitlements/entitlements";
import { createWebhookSecrets } from "@ducat/messages/webhook-secrets";
import { createPaymentDeps, type ProviderSettings } from "@ducat/payments/providers";
import { connectQueue, type Queue } from "@ducat/queue/queue";
import { createDiskBlobs } from "@ducat/storage/disk";
import { createImageIntake } from "@ducat/storage/image-intake";
import { createUrlSigner } from "@ducat/storage/signed-url";
import { Problem } from "@ducat/types/problem";
import { expect, inject, vi } from "vitest";
import { createCache } from "../../../packages/cache/src/cache.ts";
import { cloneDatabase, type TestDatabase } from "../../../packages/db/test/clone.ts";
import { assertInvariants } from "../../../packages/db/test/invariants.ts";
import { createBus } from "../../../packages/events/src/bus.ts";
import { migrateQueue } from "../../../packages/queue/src/migrate.ts";
import { createAccountTokens } from "../src/account-token.ts";
import { hashKey } from "../src/api-key.ts";
import { createApp } from "../src/app.ts";
import { createCsv } from "../src/csv/stream-csv.ts";
import type { Deps } from "../src/deps.ts";
import { createEnqueue } from "../src/enqueue.ts";
import { createExternalIssuers } from "../src/external-issuers.ts";
import { connectLimits } from "../src/limits/connect-limits.ts";
import { createLog } from "../src/log.ts";
import { createLoginDeps } from "../src/logins/deps.ts";
import { createQueueCookies } from "../src/queue-cookies.ts";

export const rootKey = "dk_test_root_of_the_tests_0123456789abcdef";
/** Nobody listens there: the port is reserved and never given out. */
const nowhere = "redis://127.0.0.1:1";

export type QueueKind = "postgres" | "redis" | "down";

export type Call = {
  method?: string;
  /** Its id or external id goes into Ducat-Account. */
  account?: string | undefined;
  /** Idempotency-Key. */
  key?: string | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, instead of `body`. */
  raw?: NonNullable<RequestInit["body"]>;
  headers?: Record<string, string>;
  /** null leaves Authorization out. */
  bearer?: string | null;
  signal?: AbortSignal;
};

export type Answer = {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  body: any;
};

export type Stage = {
  db: TestDatabase;
  deps: Deps;
  app: ReturnType<typeof createApp>;
  queue: Queue;
  /** What was logged, as written. */
  lines: string[];
  /** Fails when a refusal is not a problem document. */
  call(path: string, call?: Call): Promise<Answer>;
  /** An account of its own with its three trial credits, and more if asked; returns its id. */
  makeAccount(credits?: number): Promise<string>;
  /** Fails when the books are wrong. */
  close(): Promise<void>;
};

/** The API on a database, a queue and a folder of the test's own. */
export async function setStage(
  options: { queue?: QueueKind; deps?: Partial<Deps>; payments?: ProviderSettings } = {},
): Promise<Stage> {
  const db = await cloneDatabase();
  const dir = await mkdtemp(join(tmpdir(), "ducat-api-"));
  const queue = await openQueue(options.queue ?? "postgres", db);
  const lines: string[] = [];
  const log = createLog("debug", { write: (line) => lines.push(line) });
  const publicUrl = "http://ducat.test";
  const enqueue = createEnqueue({ queue, log });
  // What is sent to ourselves goes to the app, which listens nowhere.
  const fetchHere: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    return request.url.startsWith(publicUrl) ? app.request(request) : fetch(request);
  };
  const secretKeys = ["s".repeat(32)];
  const place = { db: db.app, mode: "test", publicUrl, secretKeys, fetch: fetchHere, log } as const;
  const loginStore = connectLoginStore({ url: db.url });
  const cache = createCache({ postgresUrl: db.url, log });
  const bus = createBus({ postgresUrl: db.url, log });
  const deps: Deps = {
    db: db.app,
    queue,
    payments: createPaymentDeps(options.payments ?? {}, place),
    enqueue,
    blobs: createDiskBlobs({ dir }),
    urlSigner: createUrlSigner({ baseUrl: publicUrl, secrets: secretKeys }),
    imageIntake: createImageIntake(),
    rootKeyHash: hashKey(rootKey),
    cache,
    bus,
    entitlements: createEntitlements({ db: db.app, cache, log }),
    csv: createCsv({ log }),
    limits: connectLimits({ db: db.app, now: Date.now, log }),
    accountTokens: createAccountTokens({ secrets: secretKeys, mode: "test", now: Date.now }),
    webhookSecrets: createWebhookSecrets(secretKeys),
    queueCookies: createQueueCookies({
      ...{ secrets: secretKeys, mode: "test", publicUrl, now: Date.now },
    }),
    externalIssuers: createExternalIssuers({
      issuers: [],
      allowedOrigins: [],
      secrets: secretKeys,
      now: Date.now,
      log,
    }),
    logins: createLoginDeps({
      ...{ db: db.app, store: loginStore, cache, log, secretKeys, mode: "test", publicUrl },
      ...{ hashCost: { memoryKib: 8, passes: 1 }, floorMs: 0 },
    }),
    mode: "test",
    publicUrl,
    allowedOrigins: [],
    fetchAllowHosts: [],
    proxyHops: 0,
    metricsToken: undefined,
    now: Date.now,
    log,
    closing: new AbortController().signal,
    ...options.deps,
  };
  const app = createApp(deps);
  const call = (path: string, how: Call = {}) => ask(app, path, how);
  return {
    db,
    deps,
    app,
    queue,
    lines,
    call,
    async makeAccount(credits = 0) {
      const made = await call("/v1/accounts", { body: { external_id: `x-${randomUUID()}` } });
      const { id } = made.body;
      if (credits > 0) await give(call, id, credits);
      return id;
    },
    async close() {
      await enqueue.drain();
      await assertInvariants(db.admin);
      await queue.close();
      await bus.close();
      await cache.close();
      deps.limits.close();
      await loginStore.close();
      await db.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function give(call: Stage["call"], id: string, amount: number): Promise<void> {
  const path = `/v1/admin/accounts/${id}/credits`;
  await call(path, { key: randomUUID(), body: { amount, reason: "for a test" } });
}

async function openQueue(kind: QueueKind, { url }: TestDatabase): Promise<Queue> {
  if (kind === "down") return connectQueue({ url: nowhere });
  const redis = inject("redis");
  if (kind === "redis") return connectQueue({ url: redis ?? "", prefix: `{${randomUUID()}}` });
  await migrateQueue(url, { role: "ducat_queue" });
  return connectQueue({ url, role: "ducat_queue" });
}

/** A request to this app, as `stage.call` makes it to the stage's own. */
export async function ask(app: Stage["app"], path: string, how: Call): Promise<Answer> {
  const { account, key, body, raw, bearer = rootKey, signal } = how;
  const headers = new Headers(how.headers);
  if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
  if (account !== undefined) headers.set("ducat-account", account);
  if (key !== undefined) headers.set("idempotency-key", key);
  const hasJson = body !== undefined;
  if (hasJson && !headers.has("content-type")) headers.set("content-type", "application/json");
  const content = raw ?? (hasJson ? JSON.stringify(body) : undefined);
  const response = await app.request(path, {
    method: how.method ?? (content === undefined ? "GET" : "POST"),
    headers,
    ...(content !== undefined && { body: content }),
    ...(signal && { signal }),
  });
  const type = response.headers.get("content-type") ?? "";
  const text = type === "text/event-stream" ? await readSome(response) : await response.text();
  const answer = type.includes("json") && text !== "" ? JSON.parse(text) : undefined;
  if (response.status >= 400 && answer !== undefined && !("checks" in answer)) {
    // Whatever a test is about: every refusal is a whole problem document.
    expect(type).toBe("application/problem+json");
    const { status, request_id } = Problem.parse(answer);
    expect([status, request_id]).toEqual([response.status, response.headers.get("x-request-id")]);
  }
  return { status: response.status, headers: response.headers, text, body: answer };
}

/** Of a stream, which may never end: what comes first. */
async function readSome({ body }: Response): Promise<string> {
  const reader = body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  return new TextDecoder().decode(first?.value);
}

/** Waits until the check stops throwing. */
export const eventually = <T>(check: () => T | Promise<T>) =>
  vi.waitFor(check, { timeout: 10_000, interval: 20 });

/** What a generation of one picture is asked with. */
export const order = (more: object = {}) => ({
  style: "modern_minimalist",
  input: { type: "text", prompt: "a garden" },
  ...more,
});
