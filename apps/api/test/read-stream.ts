import { rootKey } from "./stage.ts";

export type SseEvent = {
  type: string;
  id: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into events of every shape
  data: any;
};

export type OpenStream = {
  status: number;
  headers: Headers;
  /** All that came so far. */
  events: SseEvent[];
  comments: string[];
  /** The id of the last event that came. */
  lastId(): string | undefined;
  /** Resolves when an event fits, also one that came before. Rejects when the stream ends first. */
  until(fits: (event: SseEvent) => boolean): Promise<SseEvent>;
  /** Whether there is an event at this place; resolves when it is there, or the stream ends. */
  has(place: number): Promise<boolean>;
  /** Resolves when the other side ends it; rejects when it breaks off. */
  ended: Promise<void>;
  /** Goes away, as a reader whose line is cut. */
  close(): Promise<void>;
};

type Ask = (path: string, init: RequestInit) => Response | Promise<Response>;
export type StreamCall = {
  account?: string;
  bearer?: string | null;
  lastId?: string | undefined;
  headers?: Record<string, string>;
};

/** Opens a stream by `ask`, which may be an app's or a server's, and reads all that comes. */
export async function openEvents(
  ask: Ask,
  path: string,
  { account, bearer = rootKey, lastId, headers: more = {} }: StreamCall = {},
): Promise<OpenStream> {
  const leaving = new AbortController();
  const headers = new Headers({ accept: "text/event-stream", ...more });
  if (bearer !== null) headers.set("authorization", `Bearer ${bearer}`);
  if (account !== undefined) headers.set("ducat-account", account);
  if (lastId !== undefined) headers.set("last-event-id", lastId);
  const response = await ask(path, { headers, signal: leaving.signal });
  const stream = createParser();
  const reader = response.body?.getReader();
  const ended = (async () => {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return stream.end();
      stream.feed(decoder.decode(value, { stream: true }));
    }
  })();
  ended.catch(() => stream.end());
  return {
    status: response.status,
    headers: response.headers,
    events: stream.events,
    comments: stream.comments,
    lastId: () => stream.events.at(-1)?.id,
    until: stream.until,
    has: stream.has,
    ended,
    async close() {
      await reader?.cancel().catch(() => undefined);
      leaving.abort();
    },
  };
}

function createParser() {
  const events: SseEvent[] = [];
  const comments: string[] = [];
  let rest = "";
  let isOver = false;
  let waiting: (() => void)[] = [];
  const tell = () => {
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  return {
    events,
    comments,
    feed(text: string) {
      rest += text;
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = new Map(block.split("\n").map((line) => cut(line)));
        const data = fields.get("data");
        if (fields.has("")) comments.push(fields.get("") ?? "");
        if (data === undefined) continue;
        const [type, id] = [fields.get("event") ?? "", fields.get("id") ?? ""];
        events.push({ type, id, data: JSON.parse(data) });
      }
      tell();
    },
    end() {
      isOver = true;
      tell();
    },
    async has(place: number): Promise<boolean> {
      while (events.length <= place && !isOver) {
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      return events.length > place;
    },
    async until(fits: (event: SseEvent) => boolean): Promise<SseEvent> {
      for (let at = 0; ; ) {
        const found = events.slice(at).find(fits);
        if (found) return found;
        at = events.length;
        if (isOver) throw new Error(`The stream ended after ${events.length} events.`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

const cut = (line: string): [string, string] => {
  const at = line.indexOf(":");
  return [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")];
};
