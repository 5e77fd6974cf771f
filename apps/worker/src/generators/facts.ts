/** What an answer says beside its output. Events of a stream add to it one by one. */
export type Facts = {
  /** Refused by moderation, before or after the work. */
  isModerated?: true;
  /** A failure in the body, whatever the status was: `code` is a status where it has one. */
  error?: { code: string };
  retryInMs?: number;
  /** It said why it ended, so nothing is missing. */
  isFinished?: true;
  /** As it was sent; it may make no sense. */
  tokens?: { input?: unknown; output?: unknown };
  costUsd?: unknown;
  /** Pictures that the SDK passes over: addresses, data: URLs among them. */
  pictures?: string[];
};

export type Json = Record<string, unknown>;

/** The value as an object; empty when it is none. */
export function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

/** The value as a list; empty when it is none. */
export function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
