/** What one side did in one round. */
export type Measured = { perSecond: number; p50Ms: number; p95Ms: number; p99Ms: number };

/** One way to do the work that a group compares. */
export type Side = { name: string; run: () => Promise<Measured> };

export type Group = {
  title: string;
  /** What the others are divided by. */
  bare: Side;
  /** `aim` is the least ratio that we want. */
  sides: (Side & { aim?: number })[];
};

/** The middle of the rounds, and what lies between the worst and the best. */
export type Spread = { median: number; min: number; max: number };

export type Row = {
  group: string;
  side: string;
  perSecond: Spread;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** Undefined for the bare side. */
  ratio: Spread | undefined;
  aim: number | undefined;
};

const warmUps = 2;

/**
 * Measures the sides of a group in turns: each round runs every side once, the next round begins
 * with the next side, so that a noise of the machine meets all of them. A ratio is taken within
 * its round. The first rounds only warm caches, connections and compilers and do not count.
 */
export async function runRounds(group: Group, rounds: number): Promise<Row[]> {
  const sides = [group.bare, ...group.sides];
  const measured = new Map<string, Measured[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < warmUps + rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      const side = sides[(round + turn) % sides.length] as Side;
      const result = await side.run();
      if (round >= warmUps) measured.get(side.name)?.push(result);
    }
  }
  const bare = measured.get(group.bare.name) ?? [];
  return [
    summarize(group.title, group.bare, bare),
    ...group.sides.map((side) => {
      const results = measured.get(side.name) ?? [];
      const ratios = results.map(({ perSecond }, at) => perSecond / (bare[at]?.perSecond ?? 0));
      return { ...summarize(group.title, side, results), ratio: spread(ratios), aim: side.aim };
    }),
  ];
}

function summarize(group: string, side: Side, results: Measured[]): Row {
  return {
    group,
    side: side.name,
    perSecond: spread(results.map(({ perSecond }) => perSecond)),
    p50Ms: spread(results.map(({ p50Ms }) => p50Ms)).median,
    p95Ms: spread(results.map(({ p95Ms }) => p95Ms)).median,
    p99Ms: spread(results.map(({ p99Ms }) => p99Ms)).median,
    ratio: undefined,
    aim: undefined,
  };
}

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 };
}

/** Of sorted values, between the two neighbours of the place. */
export function quantile(sorted: number[], part: number): number {
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}
