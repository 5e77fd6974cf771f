import type { RenderedMessage } from "./render-message.ts";

/** A message that is ready to go. `id` is the same at every attempt. */
export type Outgoing = RenderedMessage & { id: string; kind: string; to: string };

/**
 * Sends by one channel. Resolves when whoever delivers has taken the message over, and rejects
 * with a DeliveryError, or with anything else for a fault that another attempt may not have.
 */
export type MessageSender = {
  send(message: Outgoing): Promise<void>;
  close(): Promise<void>;
};

/** What senders need of a logger; pino's shape. */
export type Log = {
  info(detail: Record<string, unknown>, message: string): void;
  debug(detail: Record<string, unknown>, message: string): void;
};
