import type { BenchCluster, BenchDatabase } from "./database.ts";
import type { Row } from "./rounds.ts";

/** What a measurement works with. */
export type Bench = {
  cluster: BenchCluster;
  /** The database that several measurements share, made when first asked for. */
  database(): Promise<BenchDatabase>;
  rounds: number;
  /** How long one side runs in one round. */
  seconds: number;
  /** For trying: everything is small, and the figures mean little. */
  quick: boolean;
  /** Ledger rows of the larger ledger of `growth`. */
  ledgerRows: number;
  /** Says what is being measured now. */
  say(line: string): void;
};

export type Measurement = (bench: Bench) => Promise<Row[]>;

export function pickRandom<T>(list: readonly T[]): T {
  const found = list[Math.floor(Math.random() * list.length)];
  if (found === undefined) throw new Error("there is nothing to pick from");
  return found;
}
