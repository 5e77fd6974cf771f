/**
 * The moments at which a dying worker leaves different traces behind, in the order in which an
 * item meets them. Code that passes one awaits `at(point)`, which does nothing unless a test says
 * otherwise: the kill suite stops a real process at each of them, kills it and looks at the books.
 * A point that the suite never meets fails it, so a new one here needs a case there.
 */
export const points = [
  "before-claim",
  "after-claim",
  "after-input",
  "before-run",
  // The provider has the work, our database doesn't know its id yet.
  "after-submit",
  "after-request-saved",
  "after-answer",
  "before-blob",
  // A picture is stored, its thumbnail is not.
  "between-blobs",
  "after-blob",
  "after-complete",
  // The item is pending again or has ended, and no job was added for it yet.
  "after-fail",
  "after-defer",
  // The job of the next attempt is in the queue.
  "after-requeue",
  "before-ack",
  // The sweeper has pushed the due times, and added no job yet.
  "after-sweep",
  "after-end",
] as const;

export type Point = (typeof points)[number];

/** Called with the item where one item is meant. */
export type At = (point: Point, itemId?: string) => Promise<void> | void;
