export type Recent = {
  add(id: string): void;
  /** Those that were added since the last time, the latest last. */
  takeAll(): string[];
};

/** Remembers the last `most` of those that are added. */
export function createRecent(most: number): Recent {
  // The longest unseen first.
  let ids = new Set<string>();
  return {
    add(id) {
      ids.delete(id);
      ids.add(id);
      for (const oldest of ids) {
        if (ids.size <= most) break;
        ids.delete(oldest);
      }
    },
    takeAll() {
      const taken = [...ids];
      ids = new Set();
      return taken;
    },
  };
}
