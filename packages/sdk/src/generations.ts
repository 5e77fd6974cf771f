import type { StreamOptions } from "./follow-stream.ts";
import type { Caller, Input, OperationName } from "./operations.ts";
import type { Pages } from "./pages.ts";
import { type GenerationEvent, streamGeneration } from "./streams.ts";
import type { RequestOptions } from "./transport.ts";
import type {
  Batch,
  CreateBatch,
  CreateGeneration,
  Estimate,
  Generation,
  RowItem,
} from "./types.ts";
import { askAndWait, type WaitOptions, waitForEnd } from "./wait.ts";

type Query<K extends OperationName> = Input<K> extends { query?: infer Q } ? Q : never;

/** A CSV file instead of rows; see docs/batches.md for its columns and for `mapping`. */
export type BatchFile = Omit<CreateBatch, "rows"> & {
  file: Blob | string;
  mapping?: Record<string, string | null> | undefined;
};

export type Generations = {
  /** Errors: insufficient_credits, quota_exceeded, account_frozen, validation_failed. */
  create(body: CreateGeneration, options?: RequestOptions): Promise<Generation>;
  /**
   * Creates it and waits until it has ended, however it did: look at its `status`. Errors: those of
   * create, and timed_out: it goes on all the same.
   */
  createAndWait(body: CreateGeneration, options?: WaitOptions): Promise<Generation>;
  /** Waits until it has ended. Errors: not_found, timed_out. */
  wait(id: string, options?: WaitOptions): Promise<Generation>;
  /**
   * What happens to it from its beginning to its end, over as many connections as that takes; leave
   * the loop to hang up. Errors: not_found.
   */
  stream(id: string, options?: StreamOptions): AsyncGenerator<GenerationEvent, void>;
  get(id: string, options?: RequestOptions): Promise<Generation>;
  /** Newest first. */
  list(query?: Query<"GET /v1/generations">, options?: RequestOptions): Pages<Generation>;
  /** What it would cost, and whether it can be paid now. */
  estimate(body: CreateGeneration, options?: RequestOptions): Promise<Estimate>;
  /** Errors: invalid_state when it has ended. */
  cancel(id: string, options?: RequestOptions): Promise<Generation>;
  /** A new generation of what failed. Errors: those of create, invalid_state. */
  retry(id: string, options?: RequestOptions): Promise<Generation>;
  /** Forgets its inputs and outputs. Errors: invalid_state while it runs. */
  delete(id: string, options?: RequestOptions): Promise<void>;
  /** Up to 10,000 rows, or a CSV file. Errors: those of create. */
  batch(body: CreateBatch | BatchFile, options?: RequestOptions): Promise<Batch>;
  /** All items with their outputs, by position. */
  items(
    id: string,
    query?: Query<"GET /v1/generations/{id}/items">,
    options?: RequestOptions,
  ): Pages<RowItem>;
  /** The results as a file, its body unread: CSV, JSON, or a ZIP with the pictures. */
  results(
    id: string,
    query?: Query<"GET /v1/generations/{id}/results">,
    options?: RequestOptions,
  ): Promise<Response>;
};

export function createGenerations(caller: Caller): Generations {
  const { request, list, open } = caller;
  const create: Generations["create"] = (body, options) =>
    request("POST /v1/generations", { ...options, body });
  return {
    create,
    createAndWait: (body, options = {}) => askAndWait(caller, (how) => create(body, how), options),
    wait: (id, options = {}) => waitForEnd(caller, id, options),
    stream: (id, options = {}) => streamGeneration(caller, id, options),
    get: (id, options) => request("GET /v1/generations/{id}", { ...options, path: { id } }),
    list: (query, options) => list("GET /v1/generations", { ...options, query }),
    estimate: (body, options) => request("POST /v1/generations/estimate", { ...options, body }),
    cancel: (id, options) =>
      request("POST /v1/generations/{id}/cancel", { ...options, path: { id } }),
    retry: (id, options) =>
      request("POST /v1/generations/{id}/retry", { ...options, path: { id } }),
    delete: (id, options) => request("DELETE /v1/generations/{id}", { ...options, path: { id } }),
    batch: (body, options) =>
      request("POST /v1/generations/batch", {
        ...options,
        body: "file" in body ? toForm(body) : body,
      }),
    items: (id, query, options) =>
      list("GET /v1/generations/{id}/items", { ...options, path: { id }, query }),
    results: (id, query, options) =>
      open("GET /v1/generations/{id}/results", { ...options, path: { id }, query }),
  };
}

function toForm({ file, ...members }: BatchFile): FormData {
  const form = new FormData();
  form.set("file", typeof file === "string" ? new Blob([file], { type: "text/csv" }) : file);
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined) continue;
    form.set(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return form;
}
