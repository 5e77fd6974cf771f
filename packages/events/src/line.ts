/** Like pino's; a part of it is enough. */
export type Log = { warn(detail: Record<string, unknown>, message: string): void };

/** What is heard of the other processes, and of this one. */
export type Hear = {
  message(text: string): void;
  /** The line is there, for the first time or again: what was said before is not known. */
  back(): void;
};

/** A way to say something to all processes at once: on PostgreSQL or on Redis. */
export type Line = {
  /** Sends the messages in their order. Rejects when that is not possible. */
  send(messages: string[]): Promise<void>;
  /** Hears what all say, for as long as it takes, until the returned function is called. */
  listen(hear: Hear): () => void;
  close(): Promise<void>;
};

/** Where all processes listen, on either. */
export const channel = "ducat_events";
