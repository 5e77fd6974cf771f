import { describe, expect, it } from "vitest";
import { readAll, readPage, type SlicedList } from "./slices.ts";

/** The numbers from `count` down to 1, of which a filter fits some; it counts what it looks at. */
function makeList(count: number, fits: (n: number) => boolean, isSliced = true) {
  const seen = { mostRows: 0, reads: 0 };
  const toNumber = (position: string | undefined, otherwise: number) =>
    position === undefined ? otherwise : Number(position);
  const list: SlicedList<number> = {
    async read({ before, floor, limit }) {
      const [top, bottom] = [toNumber(before, count + 1), toNumber(floor, 1)];
      if (isSliced) seen.mostRows = Math.max(seen.mostRows, top - bottom);
      seen.reads += 1;
      const rows: number[] = [];
      for (let n = top - 1; n >= bottom && rows.length < limit; n--) if (fits(n)) rows.push(n);
      return rows;
    },
    positionOf: String,
    ...(isSliced && {
      async findFloor(before, rows) {
        const floor = toNumber(before, count + 1) - rows;
        return floor > 1 ? String(floor) : undefined;
      },
    }),
  };
  return { list, seen };
}

const all = (count: number, fits: (n: number) => boolean) =>
  Array.from({ length: count }, (_, at) => count - at).filter(fits);

async function turnPages(list: SlicedList<number>, limit: number) {
  const pages: number[][] = [];
  let before: string | undefined;
  do {
    const { rows, next } = await readPage(list, { before, limit });
    pages.push(rows);
    before = next;
  } while (before !== undefined);
  return pages;
}

describe.each([true, false])("a list, in slices: %s", (isSliced) => {
  it.each([
    [0, 1, 3],
    [1, 1, 3],
    [9, 1, 3],
    [10, 1, 3],
    [25_000, 7, 1_000],
    [25_000, 9_999, 2],
    [30_000, 1, 10_000],
    [10_001, 10_001, 1],
  ])("of %s has every %sth on pages of %s, once and in order", async (count, every, limit) => {
    const fits = (n: number) => n % every === 0;
    const { list } = makeList(count, fits, isSliced);
    const pages = await turnPages(list, limit);
    expect(pages.flat()).toEqual(all(count, fits));
    const full = pages.slice(0, -1);
    expect(full.every(({ length }) => length === limit)).toBe(true);
    // Nobody is sent to a page that has nothing.
    if (count > 0) expect(pages.at(-1)).not.toEqual([]);
  });

  it.each([
    [0, 1],
    [999, 1],
    [1_000, 1],
    [1_001, 1],
    [5_432, 1],
    [25_000, 7],
    [25_000, 30_000],
  ])("of %s has every %sth as a whole, a thousand at a time", async (count, every) => {
    const fits = (n: number) => n % every === 0;
    const { list } = makeList(count, fits, isSliced);
    const chunks: number[][] = [];
    for await (const rows of readAll(list)) chunks.push(rows);
    expect(chunks.flat()).toEqual(all(count, fits));
    expect(Math.max(0, ...chunks.map(({ length }) => length))).toBeLessThanOrEqual(1_000);
  });
});

describe("a list whose filter fits next to nothing", () => {
  it("gives short pages that lead on, and looks at no more than a slice at once", async () => {
    const fits = (n: number) => n === 5 || n === 450_000;
    const { list, seen } = makeList(500_000, fits);
    const pages = await turnPages(list, 20);
    expect(pages).toEqual([[450_000], [], [5]]);
    expect(seen).toEqual({ mostRows: 10_000, reads: 50 });
  });

  it("is read as a whole in small slices too", async () => {
    const { list, seen } = makeList(50_000, (n) => n === 5);
    const chunks: number[][] = [];
    for await (const rows of readAll(list)) chunks.push(rows);
    expect([chunks.flat(), seen.mostRows]).toEqual([[5], 1_000]);
  });
});

it("a slice that has got more rows than it was meant to have is read on with", async () => {
  // All in one moment: the floor can't be set so that fewer are above it.
  const { list } = makeList(3_500, () => true, false);
  const moment: SlicedList<number> = { ...list, findFloor: async () => undefined };
  const chunks: number[][] = [];
  for await (const rows of readAll(moment)) chunks.push(rows);
  expect(chunks.map(({ length }) => length)).toEqual([1_000, 1_000, 1_000, 500]);
});
