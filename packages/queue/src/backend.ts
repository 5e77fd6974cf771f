import type { Processor, Queue, Worker, WorkerOptions } from "bullmq";

/** What this package needs of a logger; pino's shape. */
export type Log = {
  warn(detail: Record<string, unknown>, message: string): void;
  error(detail: Record<string, unknown>, message: string): void;
};

/** BullMQ's classes carry their datastore in their type; nothing here depends on which it is. */
export type BullQueue = Queue;
export type BullWorker = Worker;

export type OpenedWorker = {
  worker: BullWorker;
  /** Cuts the connections, so that a close which waits for the backend comes to its end. */
  force(): Promise<void>;
  /** Ends the connections that BullMQ leaves to us. Call it after the worker is closed. */
  release(): void;
};

export type WorkerSettings = Omit<WorkerOptions, "connection" | "prefix">;

/** The few things in which Redis and PostgreSQL differ. */
export type Backend = {
  kind: "redis" | "postgres";
  /** Resolves, never rejects, when the first attempt to connect has ended one way or the other. */
  firstAttempt: Promise<void>;
  openQueue(name: string): BullQueue;
  openWorker(name: string, processor: Processor, settings: WorkerSettings): OpenedWorker;
  /** Rejects in clear words when the backend cannot serve as a queue. */
  assertReady(): Promise<void>;
  close(): Promise<void>;
};

/** Milliseconds after which a producer gives up on a call, whatever the socket does. */
export const CALL_LIMIT_MS = 2_000;
