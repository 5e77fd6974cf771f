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
    /** The caller's params that have a price of their own: what was paid for is to be made. */
    priced?: string[];
  };
  /** A photo that is a picture of an address comes with it. */
  input:
    | { type: "photo"; photo: Buffer; address?: string }
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

/** What a provider says that the work took; the router adds whose work it was. */
export type Usage = {
  inputTokens?: number;
  outputTokens?: number;
  /** What we owe the provider for it, in millionths of a US dollar. */
  providerCostMicros?: number;
  /** Whose work it was, by the name in our settings. */
  provider?: string;
  model?: string;
  /** Made before, for the same input; nobody was asked. */
  cached?: boolean;
};

/**
 * `message` is public. Not retryable means final: the item is paid back, unless `failover` says
 * that another model may be asked and the style names one. Codes: moderation_refused,
 * provider_refused (a bad input), provider_failed, provider_limit (over its limits), bad_output,
 * outcome_unknown (nobody can tell whether it was done, so it is never sent there again),
 * spend_cap, provider_unavailable.
 */
export type Failure = {
  status: "failed";
  code: string;
  message: string;
  retryable: boolean;
  /** The provider is away, over its limits, broken: never after moderation or a bad input. */
  failover?: boolean;
  /** How long the provider asked to be left alone, as in Retry-After. */
  retryInMs?: number;
  /** Work that failed may have been paid for all the same; it counts against the spend cap. */
  usage?: Usage;
};

export type Outcome =
  | {
      status: "completed";
      output: Output;
      usage?: Usage;
      /** What it cost in credits, where that is less than the price; the rest is paid back. */
      actualCost?: number;
    }
  | Failure
  /**
   * A time-out is not a failure: the provider still works on the request. Ask again later. `away`
   * says that it did not answer at all, which opens its breaker in the end.
   */
  | { status: "unknown"; askAgainInMs: number; away?: boolean };

export type Context = {
  /** Aborted when the item is canceled, its lease is lost or the worker stops. */
  signal: AbortSignal;
  /** The provider's id of a request that an earlier attempt has sent, or null. */
  requestId: string | null;
  /** Throws when the item was canceled meanwhile or belongs to another worker by now. */
  saveRequestId(id: string): Promise<void>;
  /** The same for every attempt of the item, for providers that take one. */
  idempotencyKey: string;
  /** When the item ends unfinished; nobody waits for it any longer. */
  deadline: Date;
  /**
   * How far the work is (0 to 1), or the text so far. Only for who watches: it may be dropped, is
   * never awaited and never throws.
   */
  report?(progress: Progress): void;
};

export type Progress = { fraction?: number; text?: string };

/** What a provider without request ids saves before a request leaves; see `Generator`. */
export const sentMark = "sent";

/**
 * What every model provider implements. With a `requestId`, `run` asks for that request's state and
 * never submits again: that would be paid twice. Without one it submits, awaits `saveRequestId`
 * before it waits for anything else, and throws only for faults that may pass.
 *
 * A provider that has no request ids saves `sentMark` before the request leaves. Whoever finds the
 * mark sends again only where the provider keeps `idempotencyKey` and repeats its first answer;
 * elsewhere the outcome is `outcome_unknown`, with `failover`. A retryable failure drops what was
 * saved, so it is for what was certainly not done or not paid.
 *
 * Ids have at most 300 characters. `task.style` names the provider (`generator`) and its `params`
 * (`model` among them) of the one that is asked, which may be a fallback's.
 */
export interface Generator {
  readonly name: string;
  run(task: Task, context: Context): Promise<Outcome>;
}
