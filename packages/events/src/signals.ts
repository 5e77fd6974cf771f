/**
 * Where there is something to look at again: a generation, or (without one) the account's events
 * and balance.
 */
export type Signal = { accountId: string; generationId?: string };

/** A notification carries less than 8,000 bytes (PostgreSQL, NOTIFY); two ids take 76. */
const mostSignals = 80;

/** What one message says: signals, or that anything may have changed. */
export type Said = { signals: Signal[] } | "everything" | { echo: string };

const everything = "*";
const echoMark = "?";

/** The key under which a signal is the same as another. */
export const toKey = ({ accountId, generationId }: Signal): string =>
  generationId === undefined ? accountId : `${accountId} ${generationId}`;

/** The messages that say the keys, as few as possible. */
export function writeSignals(keys: readonly string[]): string[] {
  const messages: string[] = [];
  for (let at = 0; at < keys.length; at += mostSignals) {
    messages.push(JSON.stringify(keys.slice(at, at + mostSignals)));
  }
  return messages;
}

export const writeEverything = (): string => everything;

/** A message to oneself, which tells that the line works in both directions. */
export const writeEcho = (name: string): string => `${echoMark}${name}`;

/** What a message says; everything, where nobody of ours has written it. */
export function readSaid(message: string): Said {
  if (message.startsWith(echoMark)) return { echo: message.slice(echoMark.length) };
  try {
    const keys: unknown = JSON.parse(message);
    if (!Array.isArray(keys)) return "everything";
    const signals = keys.flatMap((key) => readKey(key) ?? []);
    return signals.length === keys.length ? { signals } : "everything";
  } catch {
    return "everything";
  }
}

function readKey(key: unknown): Signal | undefined {
  if (typeof key !== "string") return undefined;
  const [, accountId, generationId] = /^([\w-]{1,64})(?: ([\w-]{1,64}))?$/.exec(key) ?? [];
  if (accountId === undefined) return undefined;
  return generationId === undefined ? { accountId } : { accountId, generationId };
}
