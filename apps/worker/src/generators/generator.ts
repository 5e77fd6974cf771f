/** One item as a generator sees it: what to make, of what, and in which style. */
export type Task = {
  accountId: string;
  generationId: string;
  itemId: string;
  /** Which claim of the item this is: 1 for the first. */
  attempt: number;
  style: {
    id: string;
    version: number;
    kind: "image" | "text";
    generator: string;
    prompt: string;
    params: Record<string, unknown>;
  };
  input:
    | { type: "photo"; photo: Buffer }
    | { type: "address"; address: string }
    | { type: "text"; prompt: string };
  /** The area of the property, or the row of the batch, that this item is about. */
  label: string | null;
  /** What the caller asked for beside the input. */
  params: Record<string, unknown>;
};

export type Picture = {
  kind: "image";
  bytes: Buffer;
  type: "image/webp" | "image/png" | "image/jpeg";
  width: number;
  height: number;
};

export type Output = Picture | { kind: "text"; text: string };

export type Usage = { inputTokens?: number; outputTokens?: number; providerCostMicros?: number };

export type Outcome =
  | {
      status: "completed";
      output: Output;
      usage?: Usage;
      /** What it cost in credits, where that is less than the price; the rest is paid back. */
      actualCost?: number;
    }
  /** `message` is public. Not retryable means final: the item is paid back. */
  | { status: "failed"; code: string; message: string; retryable: boolean }
  /** A time-out is not a failure: the provider still works on the request. Ask again later. */
  | { status: "unknown"; askAgainInMs: number };

export type Context = {
  /** Aborted when the item is canceled, its lease is lost or the worker stops. */
  signal: AbortSignal;
  /** The provider's id of a request that an earlier attempt has sent, or null. */
  requestId: string | null;
  /** Throws when the item was canceled meanwhile or belongs to another worker by now. */
  saveRequestId(id: string): Promise<void>;
  /** The same for every attempt of the item, for providers that take one. */
  idempotencyKey: string;
};

/**
 * What every model provider implements. With a `requestId`, `run` asks for that request's state and
 * never submits again: that would be paid twice. Without one it submits, awaits `saveRequestId`
 * before it waits for anything else, and throws only for faults that may pass.
 */
export interface Generator {
  readonly name: string;
  run(task: Task, context: Context): Promise<Outcome>;
}
