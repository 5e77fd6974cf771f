import { createHash } from "node:crypto";

/** Draws numbers that look like chance and are the same for the same seed, on every machine. */
export type Chance = {
  /** From low (included) to high (excluded). */
  between(low: number, high: number): number;
  /** A whole number from low to high, both included. */
  whole(low: number, high: number): number;
  pick<T>(from: readonly [T, ...T[]]): T;
};

/** Chance from a text: its SHA-256 starts a mulberry32 generator, 32 bits of state. */
export function createChance(seed: string): Chance {
  let state = createHash("sha256").update(seed).digest().readUInt32LE(0);

  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  const between = (low: number, high: number) => low + next() * (high - low);
  const whole = (low: number, high: number) => Math.floor(between(low, high + 1));
  return { between, whole, pick: (from) => from[whole(0, from.length - 1)] ?? from[0] };
}
