import { DucatError } from "./errors.ts";

type Page<T> = { data: T[]; next_cursor: string | null; total?: number | undefined };

/** A list: `for await (const one of list)`, or page by page. */
export type Pages<T> = AsyncIterable<T> & {
  /** One page: the first, or the one behind `next_cursor` of another. */
  page(cursor?: string): Promise<Page<T>>;
};

/** Asks for a page when the one before has been read. */
export function createPages<T>(load: (cursor?: string) => Promise<Page<T>>): Pages<T> {
  return {
    page: load,
    async *[Symbol.asyncIterator]() {
      let cursor: string | undefined;
      do {
        const { data, next_cursor } = await load(cursor);
        yield* data;
        if (next_cursor !== null && next_cursor === cursor) {
          const message = "The next page of the list is this one again.";
          throw new DucatError("unexpected_answer", { message });
        }
        cursor = next_cursor ?? undefined;
      } while (cursor !== undefined);
    },
  };
}
