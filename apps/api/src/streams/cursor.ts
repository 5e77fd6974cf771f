import type { StreamEvent } from "./live-events.ts";
import type { SeenItems } from "./position.ts";

/** What a stream tells next. */
export type Slice = {
  /** Lazily: the cursor's position moves on with each one that is taken. */
  events: Iterable<StreamEvent>;
  /** There is more than was read: read on at once. */
  hasMore: boolean;
  /** Nothing comes after these. */
  isLast: boolean;
};

/**
 * A place in a stream. It keeps nothing of what it tells: whoever is slow is told later, and by
 * then of what there is then.
 */
export type Cursor = {
  /** What comes after the position; undefined when there is nothing to stream (any more). */
  read(): Promise<Slice | undefined>;
  /** The id of the event that was taken last. */
  position(): string;
};

/** As many rows are read at a time. */
export const sliceRows = 64;

/** What of the work a reader has, as the database wants to know it. */
export const listSeen = (seen: SeenItems) =>
  [...seen].map(([tail, { attempt, chars }]) => ({ tail, attempt, chars }));
