/** What was dropped when, in the order of this process and by no clock. */
export type Drops = {
  /** Grows with every drop. What is loaded now carries it. */
  now(): number;
  add(tags: readonly string[]): void;
  /** Everything that was loaded until now is dropped. */
  addAll(): void;
  /** Whether none of the tags was dropped since a load that began at `at`. */
  keeps(entry: { at: number; tags: readonly string[] }): boolean;
};

/**
 * Remembers the last drop of each tag. Of more tags than `most` the oldest is given up, and with it
 * all that was loaded before that drop: memory is bounded, and nothing dropped comes back.
 */
export function createDrops(most = 50_000): Drops {
  const lastDrop = new Map<string, number>();
  let count = 0;
  let floor = 0;

  return {
    now: () => count,
    add(tags) {
      count++;
      for (const tag of tags) {
        // Deleted first, so that the map's order is that of the drops.
        lastDrop.delete(tag);
        lastDrop.set(tag, count);
      }
      for (const [tag, at] of lastDrop) {
        if (lastDrop.size <= most) break;
        lastDrop.delete(tag);
        floor = at;
      }
    },
    addAll() {
      count++;
      floor = count;
      lastDrop.clear();
    },
    keeps({ at, tags }) {
      return at >= floor && tags.every((tag) => (lastDrop.get(tag) ?? 0) <= at);
    },
  };
}
