/** Where every process with a cache listens. The database's triggers tell here too. */
export const channel = "ducat_cache";

/** A notification carries at most 8,000 bytes (PostgreSQL, NOTIFY). */
const mostTags = 50;
const longestTag = 128;
/** What may wait for a database that is away; of more, everything is dropped. */
const mostWaiting = 5_000;

/** Resolves when every process was told to drop what has one of the tags. */
export type Tell = (tags: string[]) => Promise<void>;

/**
 * Tells all processes what to drop, by `send`: one NOTIFY on the channel. One goes at a time, and
 * what comes meanwhile goes together in the next, so that a storm of drops is few notifications.
 * Never within a transaction: who is told before the commit reads what stood there before.
 */
export function createTell(send: (payload: string) => PromiseLike<unknown>): Tell {
  let running: Promise<void> = Promise.resolve();
  let waiting: { tags: Set<string>; told: Promise<void> } | undefined;

  const sendAll = async (tags: Set<string>) => {
    if (tags.size > mostWaiting) {
      await send(JSON.stringify("everything"));
      return;
    }
    const list = [...tags];
    for (let from = 0; from < list.length; from += mostTags) {
      await send(JSON.stringify(list.slice(from, from + mostTags)));
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

/** Undefined for what no process of ours has written: then everything goes. */
export function readTags(payload: string): string[] | undefined {
  try {
    const tags: unknown = JSON.parse(payload);
    const isList = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
    return isList ? tags : undefined;
  } catch {
    return undefined;
  }
}

export function checkTags(tags: string[]): void {
  if (tags.length > mostTags || tags.some((tag) => tag.length > longestTag)) {
    throw new RangeError(`at most ${mostTags} tags of ${longestTag} characters at once`);
  }
}
