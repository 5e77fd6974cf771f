import { createPostgresBackend, Queue, Worker, withBackend } from "bullmq";

/** Where a bare BullMQ keeps its jobs. */
export type BareQueuePlace =
  | { kind: "redis"; url: string }
  | { kind: "postgres"; url: string; schema: string };

export type BareJob = { name: string; data: object; opts: object };
export type BareQueue = { addBulk(jobs: BareJob[]): Promise<unknown>; close(): Promise<void> };

const name = "bare";
const postgres = withBackend(createPostgresBackend);

// BullMQ as its documentation has it, with its own settings.
export function openBareQueue(place: BareQueuePlace): BareQueue {
  if (place.kind === "redis") return new Queue(name, { connection: { url: place.url } });
  return new postgres.Queue(name, { connection: connectionOf(place) });
}

export function startBareWorker(
  place: BareQueuePlace,
  concurrency: number,
  work: () => Promise<void>,
): { waitUntilReady(): Promise<unknown> } {
  if (place.kind === "redis") {
    return new Worker(name, work, { connection: { url: place.url }, concurrency });
  }
  return new postgres.Worker(name, work, { connection: connectionOf(place), concurrency });
}

const connectionOf = ({ url, schema }: { url: string; schema: string }) => ({
  connectionString: url,
  options: "-c role=ducat_queue",
  schema,
});
