import { randomUUID } from "node:crypto";

/** Where every process with a cache listens. The database's triggers tell here too. */
export const channel = "ducat_cache";

/** A notification carries at most 8,000 bytes (PostgreSQL, NOTIFY). */
const mostTags = 50;
const longestTag = 128;
/** What may wait for a database that is away; of more, everything is dropped. */
const mostWaiting = 5_000;

/** Resolves when every process was told to drop what has one of the tags. */
export type Tell = (tags: string[]) => Promise<void>;

/** What a notification says: `tags` is undefined when everything is to be dropped. */
type Told = { from?: string; tags?: string[] | undefined };

/** A name that no other process has, so that it knows its own words when it hears them. */
export const makeName = (): string => randomUUID();

/**
 * Tells all processes what to drop, by `send`: one NOTIFY on the channel. One goes at a time, and
 * what comes meanwhile goes together in the next, so that a storm of drops is few notifications.
 * Never within a transaction: who is told before the commit reads what stood there before.
 */
export function createTell(
  send: (payload: string) => PromiseLike<unknown>,
  from: string = makeName(),
): Tell {
  let running: Promise<void> = Promise.resolve();
  let waiting: { tags: Set<string>; told: Promise<void> } | undefined;

  const sendAll = async (tags: Set<string>) => {
    if (tags.size > mostWaiting) {
      await send(JSON.stringify({ from } satisfies Told));
      return;
    }
    const list = [...tags];
    for (let at = 0; at < list.length; at += mostTags) {
      const tags = list.slice(at, at + mostTags);
      await send(JSON.stringify({ from, tags } satisfies Told));
    }
  };
  const open = () => {
    const tags = new Set<string>();
    const told = running.then(() => {
      waiting = undefined;
      return sendAll(tags);
    });
    running = told.catch(() => undefined);
    return { tags, told };
  };

  return async (tags) => {
    checkTags(tags);
    if (tags.length === 0) return;
    waiting ??= open();
    for (const tag of tags) {
      if (waiting.tags.size > mostWaiting) break;
      waiting.tags.add(tag);
    }
    await waiting.told;
  };
}

/**
 * What a notification says: that of a process, or the list of tags that the database's triggers
 * send. Everything, where nobody of ours has written it.
 */
export function readTold(payload: string): Told {
  try {
    const told: unknown = JSON.parse(payload);
    if (isTags(told)) return { tags: told };
    const { from, tags } = told as { from?: unknown; tags?: unknown };
    return {
      ...(typeof from === "string" && { from }),
      ...(isTags(tags) && { tags }),
    };
  } catch {
    return {};
  }
}

const isTags = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((tag) => typeof tag === "string");

export function checkTags(tags: string[]): void {
  if (tags.length > mostTags || tags.some((tag) => tag.length > longestTag)) {
    throw new RangeError(`at most ${mostTags} tags of ${longestTag} characters at once`);
  }
}
