import { DucatError } from "./errors.ts";
import { type Connect, followStream, type RawEvent, type StreamOptions } from "./follow-stream.ts";
import type { Caller } from "./operations.ts";
import type { Event, Generation, Item } from "./types.ts";

/** Where the reader is: give the last one as `after` to go on behind it. */
type At = { position: string };
type About = {
  generation_id: string;
  item_id: string;
  /** Of the item, among those of its generation. */
  position: number;
  label: string | null;
  /** From 1; a new attempt begins anew. */
  attempt: number;
};

/** The work on an item as it goes on. */
export type WorkEvent = At &
  (
    | { type: "item.started"; data: About }
    | { type: "item.progress"; data: About & { fraction: number } }
    /** `offset`: how many characters (code points) of this attempt's text come before it. */
    | { type: "item.text"; data: About & { offset: number; text: string } }
  );
type EndedItem = Item & { generation_id: string };
type Ended = Omit<Generation, "items">;

type End = "completed" | "failed" | "canceled";
/** One member for each type, so that asking for one tells what its data is. */
type Each<T extends string, D> = T extends string ? At & { type: T; data: D } : never;

export type GenerationEvent =
  | WorkEvent
  | Each<`item.${End}`, EndedItem>
  | Each<`generation.${End}`, Ended>;

export type BalanceEvent = At & {
  type: "balance";
  data: {
    available: number;
    trial_credits: number;
    token_balance: number;
    held: number;
    debt: number;
    /** Of the ledger's last line. */
    seq: number;
  };
};
/** An event of the account, the balance after credits moved, or the work that goes on. */
export type AccountEvent = WorkEvent | BalanceEvent | (At & Event);

/** From its beginning until it has ended. */
export async function* streamGeneration(
  { open }: Caller,
  id: string,
  options: StreamOptions,
): AsyncGenerator<GenerationEvent, void> {
  const { account } = options;
  const connect: Connect = async (after, signal) => {
    const query = { after };
    const how = { path: { id }, query, signal, account, ...asStream };
    return toBody(await open("GET /v1/generations/{id}/events", how));
  };
  for await (const event of followStream(connect, options)) {
    yield event as GenerationEvent;
    if (event.type.startsWith("generation.")) return;
  }
}

/** From now on, beginning with the balance, until its reader leaves. */
export async function* streamAccount(
  { open }: Caller,
  options: StreamOptions,
): AsyncGenerator<AccountEvent, void> {
  const { account } = options;
  const connect: Connect = async (after, signal) => {
    const query = { after };
    return toBody(await open("GET /v1/events/stream", { query, signal, account, ...asStream }));
  };
  for await (const event of followStream(connect, options)) yield unwrap(event);
}

const asStream = { headers: { accept: "text/event-stream" } };

function toBody({ status, headers, body }: Response): ReadableStream<Uint8Array> | undefined {
  if (status === 204) return undefined;
  if (body && headers.get("content-type")?.startsWith("text/event-stream")) return body;
  const message = `The server answered ${status} with something else than events.`;
  body?.cancel().catch(() => undefined);
  throw new DucatError("unexpected_answer", { message, status });
}

/** What the outbox holds comes with an envelope of its own, the rest without. */
function unwrap({ position, type, data }: RawEvent): AccountEvent {
  const hasEnvelope = typeof data === "object" && data !== null && "account_id" in data;
  return (hasEnvelope ? { ...data, position } : { position, type, data }) as AccountEvent;
}
